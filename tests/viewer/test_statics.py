"""What browsers are sent beside pages: scripts, styles, the libraries."""

from __future__ import annotations

import gzip
import json
import posixpath
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from dreamlake_pipeline.viewer import statics
from dreamlake_pipeline.viewer.statics import FOLDER, VENDOR, Statics
from tests.viewer.conftest import Seen

ROOT = Path(__file__).parents[2]
VIEWER = ROOT / "dreamlake_pipeline" / "viewer"
TEMPLATES = sorted((VIEWER / "templates").glob("*.html"))
SCRIPTS = sorted((FOLDER / "js").rglob("*.js"))

# Both sides of a module whose comments were taken away are the same to who executes it.
COMPARE = """
import ts from "typescript";
import { readFileSync } from "node:fs";
const options = { removeComments: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 };
const plain = text => ts.transpileModule(text, { compilerOptions: options }).outputText;
const pairs = JSON.parse(readFileSync(0, "utf8"));
for (const [name, before, after] of pairs) if (plain(before) !== plain(after)) console.log(name);
"""


def node(*arguments: str, given: str = "") -> str:
    command = [str(Path(sys.executable).with_name("node")), *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=True, cwd=VIEWER).stdout


def test_versioned_files_are_kept_for_ever_and_others_are_asked_for_again(viewer: Seen) -> None:
    url = Statics().url("css/base.css")
    kept = httpx.get(viewer.url + url)
    assert kept.status_code == 200 and "immutable" in kept.headers["cache-control"]
    assert kept.headers["content-type"] == "text/css; charset=utf-8"
    for other in ("/static/css/base.css", "/static/~000000000000/css/base.css"):  # the latter: of another version
        fresh = httpx.get(viewer.url + other)
        assert fresh.headers["cache-control"] == "no-cache" and fresh.content == kept.content
        again = httpx.get(viewer.url + other, headers={"If-None-Match": fresh.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["", "nothing.js", "../app.py", "%2e%2e/app.py", "~1", "js/../../app.py", "js"])
def test_nothing_else_is_served(viewer: Seen, name: str) -> None:
    assert httpx.get(f"{viewer.url}/static/{name}").status_code == 404


def test_who_takes_no_gzip_gets_none(viewer: Seen) -> None:
    url = viewer.url + Statics().url("css/base.css")
    plain = httpx.get(url, headers={"Accept-Encoding": "identity"})
    packed = httpx.get(url)
    assert "content-encoding" not in plain.headers and packed.headers["content-encoding"] == "gzip"
    assert plain.content == packed.content
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"


def test_comments_that_are_not_sent_change_nothing_else() -> None:
    pairs = []
    for script in SCRIPTS:
        before = script.read_text()
        after = statics._File(script).content.decode()
        assert "\n\n" not in after
        assert not re.search(r"^[ \t]*(/\*\*?$|//)", after, re.MULTILINE)
        pairs.append([script.name, before, after])
    assert node("--input-type=module", "--eval", COMPARE, given=json.dumps(pairs)) == ""


def reachable(name: str, files: dict[str, statics._File]) -> set[str]:
    """The scripts that a module asks for, at once or later, and itself."""
    found, rest = set(), [name]
    while rest:
        if (one := rest.pop()) not in found:
            found.add(one)
            asked = (
                re.findall(r"""["'](\.\.?/[^"']+\.m?js)["']""", files[one].content.decode())
                if "vendor" not in one
                else []
            )
            rest += [posixpath.normpath(posixpath.join(posixpath.dirname(one), other)) for other in asked]
    return found


@pytest.mark.parametrize(("build", "most"), [("hls.light.mjs", 200_000), ("hls.mjs", 264_000)])
def test_scripts_and_styles_of_an_episode_have_250_kb_at_most_as_they_are_sent(build: str, most: int) -> None:
    """A usual episode stays well below; only one with a camera of several sound tracks, which needs the full build of
    hls.js, may have a little more. That a page loads one build and never both is in test_sound_tracks.py."""
    files = Statics()._files
    styles = re.findall(
        r"static\('(css/[^']+|vendor/[^']+\.css)'\)", (VIEWER / "templates" / "episode.html").read_text()
    )
    scripts = reachable("js/episode.js", files)
    assert {"vendor/hls.light.mjs", "vendor/hls.mjs", "vendor/uplot.mjs"} < scripts
    sent = {*scripts, *styles, "css/base.css"} - {"vendor/hls.light.mjs", "vendor/hls.mjs"} | {f"vendor/{build}"}
    sizes = {name: len(files[name].gzipped or b"") for name in sent}
    assert sum(sizes.values()) <= most, sizes


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_script_or_style_is_in_a_page(template: Path) -> None:
    text = template.read_text()
    assert not re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
    for attributes, body in re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL):
        assert not body.strip() if "src=" in attributes else 'type="application/json"' in attributes
    assert "|safe" not in text and "autoescape" not in text


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_script_makes_markup_of_text(script: Path) -> None:
    text = script.read_text()
    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|setAttribute\(\s*[\"']style|\beval\(|new Function",
        text,
    )


def test_the_libraries_are_there_with_their_licences() -> None:
    assert Statics().missing_libraries() == [], "run `make setup`"
    for names in VENDOR.values():
        assert all((FOLDER / "vendor" / name).stat().st_size > 500 for name in names)
    assert "Apache" in (FOLDER / "vendor" / "hls.LICENSE").read_text()
    assert "MIT" in (FOLDER / "vendor" / "uplot.LICENSE").read_text()


def test_libraries_that_are_missing_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "hls.mjs").write_text("")
    assert Statics(tmp_path).missing_libraries() == ["hls.js", "uPlot"]


def test_the_lock_of_npm_names_no_registry_and_has_a_hash_of_each_package() -> None:
    lock = json.loads((VIEWER / "package-lock.json").read_text())
    wanted = json.loads((VIEWER / "package.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert {"node_modules/hls.js", "node_modules/uplot"} <= packages.keys()
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert not any("resolved" in package for package in packages.values())
    assert wanted["dependencies"].keys() == {"hls.js", "uplot"}
    used = {name for name, package in packages.items() if not package.get("dev")}
    assert used == {"node_modules/hls.js", "node_modules/uplot"}, "what is sent to browsers"


def test_a_wheel_has_pages_scripts_and_libraries(tmp_path: Path) -> None:
    source, wheels = tmp_path / "source", tmp_path / "wheels"
    ignored = shutil.ignore_patterns("node_modules", "__pycache__")
    shutil.copytree(ROOT / "dreamlake_pipeline", source / "dreamlake_pipeline", ignore=ignored)
    shutil.copytree(ROOT / "deploy", source / "deploy")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(source)], check=True, timeout=200)
    [wheel] = wheels.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {str(page.relative_to(ROOT)) for page in TEMPLATES} <= names
    assert {
        f"dreamlake_pipeline/viewer/static/js/{script.name}" for script in SCRIPTS if script.parent.name == "js"
    } <= names
    for library in VENDOR.values():
        assert {f"dreamlake_pipeline/viewer/static/vendor/{name}" for name in library} <= names
    assert not [name for name in names if "node_modules" in name]


def test_gzip_of_a_file_is_the_same_each_time() -> None:
    one, other = Statics(), Statics()
    assert one.version == other.version
    file = one._files["css/base.css"]
    assert file.gzipped == other._files["css/base.css"].gzipped
    assert gzip.decompress(file.gzipped or b"") == file.content
