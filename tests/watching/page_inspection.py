"""What is looked at in a page, whatever it shows; and scripts that the tests run in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.watching.browser_tools import axe_script

if TYPE_CHECKING:
    from tests.watching.chromium import Chromium

OUTSIDE = """
const width = arguments[0];
return [...document.querySelectorAll("body *")].filter((one) => {
  const { left, right, width: wide } = one.getBoundingClientRect();
  return wide > 0 && (left < -0.5 || right > width + 0.5);
}).map((one) => one.outerHTML.slice(0, 200));
"""
BARRIERS = """
const { violations } = await axe.run(document);
return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 200)).join(" | ")}`);
"""
PENDING = """
const [set, clear] = [window.setTimeout, window.clearTimeout];
window.pending = new Set();
window.setTimeout = (act, ms) => {
  const id = set(() => { pending.delete(id); act(); }, ms);
  pending.add(id);
  return id;
};
window.clearTimeout = (id) => { pending.delete(id); clear(id); };
"""
HIDDEN = """
Object.defineProperty(document, "hidden", { value: arguments[0], configurable: true });
document.dispatchEvent(new Event("visibilitychange"));
"""
FOCUS = "const f = document.activeElement; return f.id || f.dataset.sort || f.innerText || f.tagName"


def shown(browser: Chromium, url: str, width: int = 1280, height: int = 800, *, dark: bool = False) -> None:
    """Open a page that wants no token, and wait for its report."""
    browser.look(width, height, dark=dark)
    browser.open(url)
    browser.wait("!document.getElementById('report').hidden")


def identity_shown(browser: Chromium) -> dict[str, str]:
    """Return what the page says of which worker it is: name -> value."""
    return dict(zip(browser.texts("#identity dt"), browser.texts("#identity dd"), strict=True))


def inspected(browser: Chromium, width: int) -> None:
    """Fail where something is outside of the screen, or axe-core finds a barrier, and say what."""
    outside, wide = browser.script(OUTSIDE, width), browser.script("return document.documentElement.scrollWidth")
    assert not outside, f"outside of the screen: {outside}"
    assert wide <= width, f"{wide} pixels wide"
    browser.script(axe_script())
    barriers = browser.script(BARRIERS)
    assert not barriers, f"barriers: {barriers}"


def complaints(browser: Chromium) -> list[str]:
    """Return what the console says, but for statuses that the page asks about, and the icon that there is none of."""
    expected = ("status of 401", "status of 403", "status of 404", "status of 503", "favicon")
    return [line for line in browser.complaints() if not any(part in line for part in expected)]
