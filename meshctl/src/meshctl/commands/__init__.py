"""Commands by what they are about; cli.py has their names."""
