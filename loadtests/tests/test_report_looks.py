"""How the page looks, as a browser tells it."""

import json
import re
from pathlib import Path
from typing import Any

from loadtests.driver.result import Check, Fault, Run
from loadtests.report import write
from loadtests.tests.chromium import drawn, needs_chromium
from loadtests.tests.report_sample import sample

pytestmark = needs_chromium


def _seen(folder: Path, expression: str) -> Any:
    """What the JavaScript says once the page is drawn; the page's own policy would forbid it."""
    page = (folder / "report.html").read_text(encoding="utf-8")
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    asked = f"""<pre id="seen"></pre><script>setTimeout(() => {{
      document.getElementById("seen").textContent = JSON.stringify({expression});
    }}, 1000);</script></body>"""
    looked = folder / "looked.html"
    looked.write_text(page.replace("</body>", asked), encoding="utf-8")
    done = drawn(looked.as_uri(), folder / "profile")
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.S)
    assert found
    return json.loads(found[1])


def test_a_table_is_as_high_as_its_rows_are(tmp_path: Path) -> None:
    sample(tmp_path, seconds=5)
    check = Check.read(tmp_path)
    checked = {f"looked at {number}": number for number in range(30)}
    check.model_copy(update={"checked": checked}).write(tmp_path)
    write(tmp_path)
    looked_at, found = _seen(
        tmp_path,
        """[...document.querySelectorAll(".two > table")].map((one) => one.offsetHeight)""",
    )
    assert looked_at > 5 * found


def test_a_fault_that_takes_no_time_is_seen(tmp_path: Path) -> None:
    run = Run.read(sample(tmp_path, seconds=60))
    middle = run.began + (run.ended - run.began) / 2
    kill = Fault(kind="kill", target="sensors", began=middle, ended=middle)
    run.model_copy(update={"faults": (kill,)}).write(tmp_path)
    write(tmp_path)
    reddish = _seen(
        tmp_path,
        """(() => {
          const canvas = document.querySelector('[data-plot="lag"] canvas');
          const row = canvas.getContext("2d").getImageData(0, 40, canvas.width, 1).data;
          let count = 0;
          for (let at = 0; at < row.length; at += 4) if (row[at] > row[at + 2] + 10) count += 1;
          return count;
        })()""",
    )
    assert 4 <= reddish <= 6


def test_where_no_cell_has_more_than_one_call_it_is_the_lightest(tmp_path: Path) -> None:
    write(sample(tmp_path, seconds=5, shards=1, operations={"rare.Call": 0.3}))
    key, lightest, darkest = _seen(
        tmp_path,
        """(() => {
          const canvas = document.querySelector('[data-plot="heat"] canvas');
          const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          const count = (red, green, blue) => {
            let found = 0;
            for (let at = 0; at < all.length; at += 4)
              if (all[at] === red && all[at + 1] === green && all[at + 2] === blue) found += 1;
            return found;
          };
          const key = document.querySelector(".key");
          return [key.textContent.trim(), count(0xdb, 0xe8, 0xf4), count(0x08, 0x24, 0x4c)];
        })()""",
    )
    assert key == "1 call"
    assert lightest > 100
    assert darkest == 0
