"""What the engines agree on is what Python itself imports."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from tests.support.small_dataset import ROOT
from tunewright.datagen.corpus import installed_corpus
from tunewright.datagen.crosscheck import CrossCheck, Jedi
from tunewright.datagen.program import Call
from tunewright.datagen.toolbox import Record, Rejected, Toolbox
from tunewright.datagen.workspace import open_workspace

PACKAGES = {
    "funcy": "funcy",
    "boltons": "boltons",
    "tomlkit": "tomlkit",
    "sqlparse": "sqlparse",
    "toolz": "toolz",
}
SAMPLE = 200


@pytest.mark.slow
@pytest.mark.timeout(300)  # jedi and ty answer 200 questions each, and other workers want the same cores
def test_of_200_definitions_at_least_97_percent_are_where_python_imports_them_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # In a process of its own: importing other people's packages here would stay for all tests.
    command = [sys.executable, "tests/support/imported_truth.py", *PACKAGES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    truths = json.loads(done.stdout)
    jedi = Jedi()
    check = CrossCheck(jedi)
    asked = right = dropped = 0
    wrong: list[str] = []
    try:
        for number, (name, rows) in enumerate(truths.items()):
            box = Toolbox(open_workspace(installed_corpus(PACKAGES[name]), tmp_path / name))
            share = (SAMPLE * (number + 1)) // len(truths) - asked
            Random(name).shuffle(rows)
            try:
                for row in rows:
                    if share == 0:
                        break
                    arguments = {key: row[key] for key in ("file", "line", "symbol")}
                    result: Record = {"success": False, "locations": []}
                    with suppress(Rejected):
                        result = box.goto_definition(**arguments)
                    call = Call("goto_definition", arguments, result)
                    if not result["success"] or check.reason(call, box):
                        dropped += 1
                        continue
                    share -= 1
                    asked += 1
                    places = [[place["file"], place["line"]] for place in result["locations"]]
                    if row["truth"] in places:
                        right += 1
                    else:
                        wrong.append(
                            f"{row['file']}:{row['line']} {row['symbol']}: {places}, not {row['truth']}"
                        )
            finally:
                box.close()
    finally:
        jedi.close()
    with capsys.disabled():
        print(
            f"\n{right} of {asked} definitions are Python's own ({right / asked:.1%}); {dropped} not agreed on"
        )
    assert asked == SAMPLE
    assert right >= 0.97 * asked, "\n".join(wrong)
