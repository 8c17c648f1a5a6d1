"""The report in a real browser: hostile answers are text, and nothing is loaded, even if markup got through."""

import http.server
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gold import answer
from tests.support.made_run import audit_report, make_run
from tunewright.contract.atomic import write_jsonl
from tunewright.contract.run import Forced
from tunewright.eval.report import write_report
from tunewright.eval.run_scores import score_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")]

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=3000",
)


@pytest.fixture
def hits() -> Iterator[tuple[str, list[str]]]:
    """A web server on loopback, and what was asked of it."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def browse(page: Path, profile: Path, *more: str) -> tuple[str, str]:
    """The document after its scripts ran, and what the browser logged."""
    command = [CHROMIUM or "", *OPTIONS, f"--user-data-dir={profile}", *more, "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    return done.stdout, done.stderr


def attack(url: str) -> str:
    return (
        f"</pre></details><script>document.title='owned'</script><img src={url}/answer onerror=\"document.title='owned'\">"
        f"<link rel=stylesheet href={url}/style><iframe src={url}/frame></iframe><style>@import '{url}/import'</style>"
        f"<meta http-equiv=refresh content='0;url={url}/go'>\u202e\x00"
    )


def test_hostile_answers_stay_text(tmp_path: Path, hits: tuple[str, list[str]]) -> None:
    url, asked = hits
    audit = audit_report()
    audit["findings"][0]["message"] = attack(url)
    run = make_run(tmp_path, audit=audit, forced=Forced(by=attack(url), reasons=(attack(url),)))
    for model in ("base", "quantized"):
        rows = [
            {"case": "workflow-01", "text": attack(url)},
            {"case": "workflow-02", "text": answer(f"print({attack(url)!r})")},
        ]
        write_jsonl(run.predictions / model / "navigation.jsonl", rows)
    page, _ = write_report(run, score_run(run))
    document, log = browse(page, tmp_path / "profile")
    assert f"<title>{run.path.name}: " in document
    assert "owned" not in re.findall(r"<title>(.*?)</title>", document)[0]
    assert not re.search(r"<(?:script|img|iframe|link)\b", document)
    assert document.count('<details class="case') == 120
    assert asked == []
    assert "Content Security Policy" not in log  # the page's own style is allowed


def test_the_policy_holds_even_if_markup_got_through(tmp_path: Path, hits: tuple[str, list[str]]) -> None:
    """The same attack put into the page unescaped: with the policy nothing happens, without it everything does."""
    url, asked = hits
    run = make_run(tmp_path)
    page, _ = write_report(run, score_run(run))
    injected = page.read_text(encoding="utf-8").replace(
        "<main>", f"<main>{attack(url).replace('</pre></details>', '')}"
    )
    injected = re.sub(r"<meta http-equiv=refresh[^>]*>", "", injected)
    guarded, open_page = tmp_path / "guarded.html", tmp_path / "open.html"
    guarded.write_text(injected, encoding="utf-8")
    open_page.write_text(re.sub(r"<meta http-equiv=\"Content[^>]*>", "", injected), encoding="utf-8")

    document, log = browse(guarded, tmp_path / "profile")
    assert "<title>owned" not in document
    assert asked == []
    assert "Content Security Policy" in log

    document, _ = browse(open_page, tmp_path / "other-profile")
    assert "<title>owned" in document
    assert "/answer" in asked


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_fits_its_window(tmp_path: Path, width: int) -> None:
    """A probe in a copy without the policy measures how wide the page is with every case open.

    The page is in a frame, because a headless window is never narrower than 500 pixels.
    """
    run = make_run(tmp_path, audit=audit_report(), forced=Forced(by="ada", reasons=("x" * 300,)))
    write_jsonl(
        run.predictions / "quantized" / "navigation.jsonl", [{"case": "workflow-01", "text": "y" * 5000}]
    )
    page, _ = write_report(run, score_run(run))
    probe = (
        "<script>document.querySelectorAll('details').forEach(d => d.open = true);"
        "parent.postMessage(document.documentElement.scrollWidth + ' of ' + innerWidth, '*')</script></body>"
    )
    text = re.sub(r"<meta http-equiv=\"Content[^>]*>", "", page.read_text(encoding="utf-8"))
    (tmp_path / "page.html").write_text(text.replace("</body>", probe), encoding="utf-8")
    listener = "<script>onmessage = e => document.title = e.data</script>"
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'{listener}<iframe src="page.html" width="{width}" height="900"></iframe>', encoding="utf-8"
    )
    document, _ = browse(frame, tmp_path / "profile")
    measured = re.search(r"<title>(\d+) of (\d+)</title>", document)
    assert measured, document[:300]
    assert int(measured[2]) == width
    assert int(measured[1]) <= width
