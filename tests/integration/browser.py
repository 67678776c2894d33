"""Tabs of a real Chromium, what they complain about, and what in them is hard to read or has no name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.integration.worker import DEADLINE_S

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page

DESK = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 760}

# Visible texts whose contrast with what is below them is less than 4.5 to 1, and what has no name.
FAULTS = """() => {
  const known = new Map();
  const rgb = (color) => known.get(color) ?? known.set(color, drawn(color)).get(color);
  const drawn = (color) => {
    const context = document.createElement("canvas").getContext("2d");
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const below = (element) => {
    for (let place = element; place; place = place.parentElement) {
      const color = rgb(getComputedStyle(place).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255];
  };
  const faults = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim();
    if (text === "" || !element.checkVisibility() || element.closest("svg, .unseen")) continue;
    const [one, other] = [light(rgb(getComputedStyle(element).color)), light(below(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) faults.push(`contrast ${contrast.toFixed(2)}: ${text}`);
  }
  const text = (id) => document.getElementById(id)?.textContent ?? "";
  const name = (element) => (element.getAttribute("aria-label") ?? "") + text(element.getAttribute("aria-labelledby")) +
    (element.labels?.[0]?.textContent ?? "") + element.textContent;
  const named = "a, button, input, section, nav, dialog, summary, [role], [tabindex='0']";
  for (const element of document.querySelectorAll(named)) {
    const nameless = element.checkVisibility() && name(element).trim() === "";
    if (nameless) faults.push(`no name: ${element.outerHTML.slice(0, 80)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  if (new Set(ids).size < ids.length) faults.push("an id twice");
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  for (const table of document.querySelectorAll("table")) if (!table.caption) faults.push("a table without caption");
  if (document.querySelector("svg:not([aria-hidden])")) faults.push("a picture that is not hidden");
  if (document.documentElement.scrollWidth > innerWidth) faults.push(`${document.documentElement.scrollWidth} px wide`);
  return faults;
}"""


class Window:
    """A tab, and what it complained about."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self._url = url
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))

    async def show(self, view: str, *texts: str) -> None:
        """The view, once it shows the texts."""
        await self.page.goto(f"{self._url}/{view}")
        for text in texts:
            await self.sees(text)

    async def sees(self, text: str) -> None:
        """The text is to be seen."""
        await self.page.get_by_text(text).and_(self.page.locator("main :visible")).first.wait_for()

    async def faults(self) -> list[str]:
        """What is hard to read, and what has no name."""
        faults: list[str] = await self.page.evaluate(FAULTS)
        return faults


@asynccontextmanager
async def window(browser: Browser, url: str, size: Any = DESK, **options: Any) -> AsyncIterator[Window]:
    """A tab of its own."""
    context: BrowserContext = await browser.new_context(viewport=size, **{"locale": "en-GB"} | options)
    context.set_default_timeout(DEADLINE_S * 1000)
    try:
        yield Window(await context.new_page(), url)
    finally:
        await context.close()
