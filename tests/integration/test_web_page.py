"""The live page in a real Chromium, on a real `interest-stream web`."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import time
import uuid
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import pytest_asyncio
from msgspec.structs import replace

from streams.local_kafka.cluster import LocalKafka
from streams.schema.predictions import Horizon
from streams.web.report.answers import ask_server
from streams.web.report.page import report_page
from tests.integration.browser import PHONE, Window, window
from tests.integration.page_site import CATEGORIES, MARKUP, POINTS, REWARDS, fill, predicted
from tests.integration.web_site import WebSite, eventually, ready

if TYPE_CHECKING:
    from playwright.async_api import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: apt install chromium"),
]
VIEWS = {  # what is to be seen in each once its figures have come
    "#/overview": ["Recall@10 over time", "not_json", "interest-worker-1"],
    "#/audience": ["Most wanted items", "Comedy", "The Drama Night"],
    "#/users": ["All users, by id", "u10"],
    "#/users/u1": ["Where interest moved", "The Crime Night", "Popularity"],
    "#/items/i2": ["Share of interest over time", "The Drama Night"],
    "#/segments": ["Will want most", "Sizes over time", "Music"],
    "#/model": ["Calibration", "00000001.29", "Log-loss by version"],
    "#/experiments": ["Reward per decision", "softmax, temperature=1", "certain at level 0.95"],
    "#/experiments/before": ["Guardrails", "not yet", "stopped", "No reward yet"],
    "#/experiments/nope": ["There is no experiment nope", "warmth"],
    "#/data": ["3 records could not be used", "missing_field", "Snowplow"],
}
CHINESE_VIEWS = {
    "#/overview": "interest-worker-1", "#/audience": "The Drama Night", "#/users": "u10",
    "#/users/u1": "兴趣转移的时刻", "#/items/i2": "兴趣占比的变化", "#/segments": "最想要的类别",
    "#/model": "00000001.29", "#/experiments": "置信水平 0.95", "#/data": "not_json",
}  # fmt: skip
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
TOKEN = uuid.uuid4().hex
IMAGES = Path(__file__).parents[2] / "docs" / "images"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(kafka: LocalKafka, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebSite]:
    """With two servers, of which the second asks for TOKEN."""
    made = WebSite.on(kafka.bootstrap_servers, f"test-{uuid.uuid4().hex[:12]}", tmp_path_factory.mktemp("page"))
    try:
        await made.create()
        made.process()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("INTEREST_WEB__READ_TOKEN", TOKEN)
            made.process(f"web.data_dir={made.folder / 'with-token'}")
        await fill(made)
        yield made
    finally:
        for process in made.processes:
            process.kill()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(site: WebSite) -> str:
    """Of a server that has read all."""
    address = await site.processes[0].url()
    async with httpx.AsyncClient(base_url=address) as client:
        await ready(client)
        await eventually(
            client,
            "/v1/experiments/warmth",
            lambda body: sum(arm["decisions"] for arm in body.get("arms", ())) == REWARDS,
        )
    return address


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    async with playwright.async_playwright() as driver:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        started = await driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield started
        finally:
            await started.close()


async def test_every_view_is_readable_and_nothing_complains(browser: Browser, url: str) -> None:
    async with window(browser, url) as tab:
        for view, texts in VIEWS.items():
            await tab.show(view, *texts)
            assert (view, await tab.faults()) == (view, [])
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        print(f"first contentful paint after {await tab.page.evaluate(paint):.0f} ms")
        assert tab.complaints == []


async def test_every_view_is_readable_in_chinese_on_a_dark_phone(browser: Browser, url: str) -> None:
    async with window(browser, url, PHONE, locale="zh-CN", color_scheme="dark") as tab:
        for view, text in CHINESE_VIEWS.items():
            await tab.show(view, text)
            assert (view, await tab.faults()) == (view, [])
        assert await tab.page.evaluate("document.documentElement.lang") == "zh-Hans"
        dark = await tab.page.evaluate(BACKGROUND)
        await tab.page.click("#theme")
        await tab.page.click("#language")
        await tab.sees("Accepted schemas")
        assert await tab.page.evaluate(BACKGROUND) != dark
        assert (await tab.faults(), tab.complaints) == ([], [])
        await tab.page.reload()  # both choices are kept
        await tab.sees("Accepted schemas")
        assert await tab.page.evaluate(BACKGROUND) != dark


async def test_markup_and_script_of_ids_titles_and_records_are_text(browser: Browser, url: str) -> None:
    async with window(browser, url) as tab:
        await tab.show("#/users", MARKUP)
        await tab.page.get_by_role("link", name=MARKUP).click()
        await tab.page.get_by_role("heading", name=MARKUP, level=1).wait_for()
        await tab.sees(f"The {MARKUP} Night")
        for view in ("#/audience", "#/items/i9"):
            await tab.show(view, f"The {MARKUP} Night")
        await tab.show("#/data?reason=not_json", f"byte 0: {MARKUP}")
        await tab.page.locator(".samples summary").first.click()
        await tab.page.locator(".samples pre", has_text=MARKUP).first.wait_for()
        assert await tab.page.title() == "Data quality · interest-stream"
        assert await tab.page.locator("main img, main script").count() == 0
        assert tab.complaints == []


async def test_the_page_is_used_by_keys_alone(browser: Browser, url: str) -> None:
    async with window(browser, url) as tab:
        await tab.show("#/overview", "not_json")
        press = tab.page.keyboard.press
        await press("Tab")
        await press("Enter")
        assert await tab.page.evaluate("document.activeElement.id") == "main"
        chart = tab.page.get_by_role("slider", name="Recall@10 over time")
        await chart.focus()
        for key in ("Home", "ArrowRight", "ArrowRight", "ArrowLeft"):
            await press(key)
        assert await chart.get_attribute("aria-valuenow") == "2"
        spoken = await chart.get_attribute("aria-valuetext") or ""
        assert re.search(r": This model \d+(\.\d)?%, Decayed popularity 9\.0%$", spoken), spoken
        await tab.page.locator(".tooltip:visible", has_text="This model").wait_for()
        await press("Escape")
        assert await tab.page.locator(".tooltip:visible").count() == 0
        await press("Tab")
        await press("Enter")  # show as table
        await tab.page.get_by_role("table", name="Recall@10 over time").get_by_role("row").nth(20).wait_for()
        await tab.show("#/users", "u10")
        await tab.page.get_by_role("combobox").focus()
        await tab.page.keyboard.type("u1")
        await tab.page.get_by_role("option", name="u10").wait_for()
        assert await tab.page.get_by_role("option").count() == 2
        for key in ("ArrowDown", "ArrowDown", "Enter"):
            await press(key)
        await tab.page.get_by_role("heading", name="u10", level=1).wait_for()
        assert await tab.page.evaluate("document.activeElement.tagName") == "H1"
        await tab.sees("Where interest moved")
        assert tab.complaints == []


async def test_arms_are_compared_over_time_and_the_winner_is_named(browser: Browser, url: str) -> None:
    async with window(browser, url) as tab:
        await tab.show("#/experiments", "1,500", "certain at level 0.95")
        arms = tab.page.get_by_role("region", name="Arms", exact=True).get_by_role("row")
        assert re.search(r"usual\s+as usual\s+150\s+750\s+0\.4.*control", await arms.nth(1).inner_text())
        assert re.search(r"warm\s.*\s0\.6\d* \[0\.\d+, 0\.\d+\].*0\.009\s+Winner", await arms.nth(2).inner_text())
        assert await tab.page.locator("path.band").count() == 2
        chart = tab.page.get_by_role("slider", name="Reward per decision")
        assert re.search(r"warm 0\.\d+ \[0\.\d+, 0\.\d+\]", await chart.get_attribute("aria-valuetext") or "")
        await tab.page.locator("summary", has_text="Show as table").click()
        table = tab.page.get_by_role("table", name="Reward per decision")
        assert await table.get_by_role("row").count() > 20
        await tab.page.get_by_role("link", name="before").click()
        await tab.sees("no arm is certainly better")
        assert tab.complaints == []


async def test_a_new_prediction_is_shown_without_asking_again(browser: Browser, url: str, site: WebSite) -> None:
    async with window(browser, url) as tab:
        await tab.show("#/users/u2", f"{POINTS} events")
        moved = tab.page.locator(".moments li")
        assert await moved.count() == 1
        assert [CATEGORIES[3], CATEGORIES[6]] == [
            text.split()[0] for text in await moved.locator("span").all_inner_texts()
        ]
        month = Horizon(30, ["Drama"], [0.5], ["i1"], [0.25], {"view": 0.8, "purchase": 0.125}, 12.345)
        await site.predict(replace(predicted("u2", POINTS), horizons=[month], return_p={"30": 0.9}))
        await tab.sees(f"{POINTS + 1} events")
        for text in ("Wants over 30 days", "At least one event of a type, within 30 days", "Expected to spend 12.35"):
            await tab.sees(text)
        assert tab.complaints == []


async def test_a_server_that_does_not_answer_is_named_until_it_does(browser: Browser, url: str) -> None:
    async with window(browser, url) as tab:
        await tab.show("#/overview", "not_json")
        await tab.page.context.set_offline(True)
        await tab.page.click("[data-view=users]")
        banner = tab.page.get_by_role("status")
        await banner.wait_for()
        assert "does not answer" in await banner.inner_text()
        await tab.page.context.set_offline(False)
        await banner.wait_for(state="hidden")


async def test_a_token_is_asked_for_and_kept_in_the_tab_until_the_server_dies(browser: Browser, site: WebSite) -> None:
    async with window(browser, await site.processes[1].url()) as tab:
        await tab.show("#/users")
        entered = tab.page.get_by_label("Read token")
        await entered.fill("another")
        await tab.page.keyboard.press("Enter")
        await tab.page.get_by_role("alert").wait_for()
        await entered.fill(TOKEN)
        await tab.page.keyboard.press("Enter")
        await tab.sees("u10")
        await tab.page.reload()
        await tab.sees("u10")
        assert TOKEN not in await tab.page.content()
        await tab.show("#/users/u1", "Where interest moved")
        site.processes[1].kill()  # while a stream is open
        await tab.page.get_by_role("status").wait_for()
        assert [complaint for complaint in tab.complaints if complaint.startswith("uncaught")] == []


@pytest.mark.skipif(
    "INTEREST_SCREENSHOTS" not in os.environ, reason="INTEREST_SCREENSHOTS=1 writes docs/images/page-*.webp"
)
async def test_pictures_of_a_demo(browser: Browser, url: str) -> None:
    """Of a demo after a minute; of dead letters, which it has none of, those of the other tests."""
    command = [sys.executable, "-m", "streams.cli", "demo", "--seconds", "200", "--decisions"]
    demo = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert demo.stdout is not None
    address, user = re.findall(rb"http://\S+", await demo.stdout.readline())
    view = f"#/users/{user.decode().rpartition('/')[2]}"
    try:
        await asyncio.sleep(60)
        async with window(browser, address.decode().rstrip("/")) as tab:
            await picture(tab, "overview", "#/overview", "Recall@10 over time", wait_s=20)
            await picture(tab, "audience", "#/audience", "Most wanted items")
            await picture(tab, "user", view, "Why")
            await picture(tab, "model", "#/model", "Calibration")
            await picture(tab, "experiments", "#/experiments", "certain at level")
        async with window(browser, address.decode().rstrip("/"), PHONE, color_scheme="dark", locale="zh-CN") as tab:
            await picture(tab, "phone", view, "原因", full_page=False)
    finally:
        if demo.returncode is None:
            demo.terminate()
        await demo.communicate()
    async with window(browser, url) as tab:
        await picture(tab, "data", "#/data", "not_json")


async def picture(tab: Window, name: str, view: str, text: str, full_page: bool = True, wait_s: float = 2) -> None:
    """Write what the view shows some time after it shows the text."""
    from PIL import Image

    await tab.show(view, text)
    await asyncio.sleep(wait_s)
    shot = Image.open(BytesIO(await tab.page.screenshot(full_page=full_page)))
    shot.convert("RGB").save(IMAGES / f"page-{name}.webp", lossless=True, method=6)


async def test_a_report_shows_what_the_server_showed(browser: Browser, url: str, tmp_path: Path) -> None:
    answers = await asyncio.to_thread(ask_server, url, "", lambda done, total: None)
    file = tmp_path / "report.html"
    file.write_text(report_page(answers, url, int(time.time() * 1000)), encoding="utf-8")
    async with window(browser, file.as_uri()) as tab:
        await tab.page.goto(file.as_uri())
        left_out = ("#/users", "#/users/u1", "#/items/i2", "#/segments", "#/experiments/before", "#/experiments/nope")
        for text in (text for view, texts in VIEWS.items() if view not in left_out for text in texts):
            await tab.sees(text)
        for span in ("15 min", "24 hours", "7 days", "Items"):
            await tab.page.get_by_role("button", name=span, exact=True).click()
            await tab.sees("The Drama Night")
        assert [fault for fault in await tab.faults() if fault != "not one h1"] == []
        assert tab.complaints == []
