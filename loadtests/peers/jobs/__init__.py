"""The jobs: what contenders do (pure), and what the harness gives them and expects of them."""
