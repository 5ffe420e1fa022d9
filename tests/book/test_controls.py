"""Every control of every page is pressed once, and what it is there for must happen."""

import pytest
from browser import Visit
from in_browser import pages as pages_of
from PIL import Image

CONTROLS = (
    "button, summary, input, select, textarea, "
    "[role=button], [role=tab], [role=slider], [contenteditable=true]"
)
NARROW, WIDE = {"width": 768, "height": 900}, {"width": 1280, "height": 800}
MOST_AT_A_TIME = 5_000  # milliseconds

PRESSING = """
window.say = (part) => part.outerHTML.slice(0, 120);
// Bring a control into view, see whether a finger would hit it, and press it.
window.press = (part) => {
  part.dataset.pressed = "";
  part.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
  const box = part.getBoundingClientRect();
  const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  if (!part.contains(hit)) return `covered: ${say(part)}`;
  part.click();
  return null;
};
window.copied = [];
document.addEventListener("copy", () => copied.push(document.activeElement.value));
window.printed = 0;
window.print = () => { printed += 1; };
"""

FOLDS = """() => {
  const faults = [];
  // Outer folds stand before inner ones, and stay open for these.
  for (const fold of document.querySelectorAll("summary")) {
    const before = fold.parentElement.open;
    // In the menu, the arrow alone has a size.
    faults.push(press(fold.querySelector(".toctree-toggle") ?? fold));
    fold.dataset.pressed = "";
    if (fold.parentElement.open === before) faults.push(`does not fold: ${say(fold)}`);
    fold.parentElement.open = true;
  }
  return faults.filter(Boolean);
}"""

COPIES = """([first, end]) => {
  const faults = [];
  for (const button of [...document.querySelectorAll("button.copybtn")].slice(first, end)) {
    const code = document.querySelector(button.dataset.clipboardTarget).textContent;
    copied.length = 0;
    faults.push(press(button));
    const plain = (text) => (text ?? "").replace(/^(\\$ |>>> |\\.\\.\\. )/gm, "").trim();
    const whole = copied[0] && plain(copied[0]) === plain(code);
    if (!whole) faults.push(`copies nothing: ${say(button)}`);
  }
  return faults.filter(Boolean);
}"""

LOOKS = """box => box.outerHTML
  + Array.from(box.querySelectorAll("canvas"), (part) => part.toDataURL()).join()"""


def test_every_control_does_what_it_is_there_for(chrome, address, names, tmp_path):
    picture = tmp_path / "own.png"
    Image.linear_gradient("L").resize((64, 48)).convert("RGB").save(picture)
    found = {name: press_all(chrome, address, name, picture) for name in names}
    assert {name: faults for name, faults in found.items() if faults} == {}


@pytest.fixture(scope="module")
def names(site):
    """Return the addresses of all pages, with those that Sphinx adds."""
    return [*pages_of(site), "search.html", "genindex.html"]


def press_all(chrome, address, name, picture):
    """Press every control of a page; return what went wrong."""
    with Visit(chrome, address, name, viewport=WIDE) as visit:
        visit.settle()
        visit.scroll_through()
        visit.page.evaluate(PRESSING)
        faults = visit.page.evaluate(FOLDS)
        visit.scroll_through()
        # Some at a time: a page may copy only for a few seconds after it was touched.
        for first in range(0, visit.page.locator("button.copybtn").count(), 5):
            faults += visit.page.evaluate(COPIES, [first, first + 5])
        faults += figures(visit, picture) + sliders(visit)
        for width in (WIDE, NARROW):
            visit.page.set_viewport_size(width)
            faults += head(visit) + searches(visit) + menus(visit)
        faults += back_to_top(visit) + left(visit)
        return faults + visit.complaints


def left(visit):
    """Return the controls that nothing has pressed."""
    unknown = visit.page.evaluate(
        "all => Array.from(document.querySelectorAll(all))"
        ".filter(part => !('pressed' in part.dataset)).map(say)",
        CONTROLS,
    )
    return [f"not pressed: {control}" for control in unknown]


def shown(visit, selector):
    """Yield the controls of a kind that can be seen, marked as pressed."""
    for control in visit.page.locator(selector).all():
        if control.is_visible():
            control.evaluate("part => { part.dataset.pressed = ''; }")
            yield control


def due(visit, condition, said):
    """Return a fault if a condition, in JavaScript, does not come true soon."""
    try:
        visit.page.wait_for_function(condition, timeout=MOST_AT_A_TIME)
    except Exception:  # of whatever kind: the page says no
        return [said]
    return []


def figures(visit, picture):
    """Turn each knob of the figures that move; run the networks of the page."""
    faults = []
    for control in shown(visit, ".interactive :is(input:not([type=file]), select)"):
        box = control.locator("xpath=ancestor::div[contains(@class, 'interactive')]")
        before = box.evaluate(LOOKS)
        control.focus()
        at_end = control.evaluate(
            "part => part.value === part.max || part.selectedIndex === part.length - 1"
        )
        kind = control.get_attribute("type") or "select"
        keys = {
            "range": ("ArrowRight", "ArrowLeft"),
            "select": ("ArrowDown", "ArrowUp"),
            "checkbox": ("Space", "Space"),
        }
        visit.page.keyboard.press(keys[kind][at_end])
        visit.page.wait_for_timeout(100)
        if box.evaluate(LOOKS) == before:
            faults.append(f"changes nothing: {control.evaluate('say')}")
    said = visit.page.locator(".interactive .said")
    for control in shown(visit, ".interactive input[type=file]"):
        control.set_input_files(picture)
        said.get_by_text("own.png, 64 × 48 pixels").wait_for()
    for control in shown(visit, ".interactive.try-it button"):
        control.click()
        said.get_by_text(f"The {control.inner_text().split()[2]} took").wait_for()
    if visit.page.locator(".interactive.try-it").count():
        faults += stop(visit)
    return faults


def stop(visit):
    """Run a network once more, and stop it before it is done."""
    could = visit.page.evaluate(
        "() => { const [run, ...others] = document.querySelectorAll('.interactive.try-it button');"
        " const halt = others.find(part => part.textContent === 'Stop');"
        " halt.dataset.pressed = ''; run.click(); const shown = halt.checkVisibility();"
        " halt.click(); return shown; }"
    )
    stopped = "document.querySelector('.try-it .said').textContent.includes('was stopped')"
    return due(visit, stopped, "does not stop") + ([] if could else ["nothing to stop with"])


def sliders(visit):
    """Move the widgets that live without a kernel."""
    faults = []
    for control in shown(visit, ".jupyter-widgets :is([role=slider], [contenteditable=true])"):
        if control.get_attribute("role") != "slider":
            continue  # the number beside a slider, which follows it
        output = visit.page.locator(".cell_output", has=control)
        before = output.evaluate(LOOKS)
        control.focus()
        visit.page.keyboard.press("ArrowRight")
        visit.page.wait_for_timeout(300)
        if output.evaluate(LOOKS) == before:
            faults.append(f"changes nothing: {control.evaluate('say')}")
    return faults


def head(visit):
    """Press the buttons above the text: theme, whole screen, and the menus that drop down."""
    faults, page = [], visit.page
    for control in shown(visit, ".theme-switch-button"):
        before = page.evaluate("document.documentElement.dataset.mode")
        control.click()
        if page.evaluate("document.documentElement.dataset.mode") == before:
            faults.append("the theme does not change")
    for control in shown(visit, ".btn-fullscreen-button"):
        control.click()
        faults += due(visit, "document.fullscreenElement !== null", "not on the whole screen")
        control.click()
        faults += due(visit, "document.fullscreenElement === null", "still on the whole screen")
    for control in shown(visit, ".article-header-buttons .dropdown-toggle"):
        faults += drop_down(visit, control)
    return faults


def drop_down(visit, control):
    """Open a menu, look at what it offers, press what is no link, and close it."""
    control.click()
    items = control.locator("xpath=following-sibling::ul").locator(".dropdown-item")
    name = control.get_attribute("aria-label")
    if not items.first.is_visible():
        return [f"does not drop down: {name}"]
    faults = []
    for item in items.all():
        item.evaluate("part => { part.dataset.pressed = ''; }")
        if item.evaluate("part => part.localName") == "a":
            if not item.get_attribute("href"):
                faults.append(f"leads nowhere: {item.inner_text()}")
        else:
            before = visit.page.evaluate("printed")
            item.click()
            if visit.page.evaluate("printed") != before + 1:
                faults.append(f"does not print: {item.inner_text()}")
            control.click()
    # It opens below the mouse, too.
    visit.page.mouse.move(0, 0)
    visit.page.keyboard.press("Escape")
    return faults + ([f"does not close: {name}"] if items.first.is_visible() else [])


def menus(visit):
    """Open and close the menu and the contents."""
    faults = []
    for side in ("primary", "secondary"):
        for control in shown(visit, f".{side}-toggle"):
            before = control.get_attribute("aria-expanded")
            control.click()
            selector = f".{side}-toggle[aria-expanded={'false' if before == 'true' else 'true'}]"
            faults += due(visit, f"document.querySelector({selector!r})", f"{side} menu is dead")
            if before == "true":
                control.click()
            else:
                visit.page.keyboard.press("Escape")
    return faults


def searches(visit):
    """Press what opens the search, type into the field that it leads to, and leave it."""
    faults = []
    for control in shown(visit, ".search-button, .search-button__button"):
        control.click()
        visit.page.keyboard.type("teacher")
        field = visit.page.locator("input[type=search]:focus")
        if not field.count() or field.input_value() != "teacher":
            faults.append(f"does not search: {control.evaluate('say')}")
            continue
        field.fill("")
        visit.page.keyboard.press("Escape")
    # Those of the page and of the dialog; that they find something is tested elsewhere.
    visit.page.evaluate(
        "document.querySelectorAll('input[type=search]').forEach("
        "part => { part.dataset.pressed = ''; })"
    )
    return faults


def back_to_top(visit):
    """Go down, and up again by the button, where the page is long enough to have it."""
    page = visit.page
    button = page.locator("#pst-back-to-top")
    button.evaluate("part => { part.dataset.pressed = ''; }")
    page.evaluate("scrollTo({ top: document.body.scrollHeight, behavior: 'instant' })")
    page.wait_for_timeout(100)
    page.evaluate("scrollBy({ top: -100, behavior: 'instant' })")
    page.wait_for_timeout(100)
    if not button.is_visible():
        return []
    button.click()
    return due(visit, "scrollY < 5", "does not go back to the top")


def test_a_dead_control_and_an_unknown_one_are_found(chrome, address):
    with Visit(chrome, address, "book/how_to_read.html", viewport=WIDE) as visit:
        visit.page.evaluate(PRESSING)
        visit.page.evaluate(
            "document.querySelector('article').insertAdjacentHTML('beforeend',"
            '\'<details><summary onclick="return false">dead</summary></details>'
            '<button id="new">new</button>\')'
        )
        assert ["dead" in fault for fault in visit.page.evaluate(FOLDS)] == [True]
        assert any('id="new"' in fault for fault in left(visit))
        visit.page.evaluate(
            "document.querySelector('.theme-switch-button').addEventListener("
            "'click', event => event.stopImmediatePropagation(), true)"
        )
        assert "the theme does not change" in head(visit)
