"""The menu and the contents open, close and fold, whatever the reader has: mouse, touch or keys."""

import pytest
from browser import Visit

PAGE = "book/how_to_read.html"
SIZES = {390: 844, 768: 1024, 1280: 800}
NARROW = [width for width in SIZES if width < 992]  # menu and contents are sheets over the page
WAYS = ["mouse", "touch", "keyboard"]


def visited(chrome, address, width, way):
    """Open the page as a reader of this screen does."""
    options = {"has_touch": True} if way == "touch" else {}
    viewport = {"width": width, "height": SIZES[width]}
    return Visit(chrome, address, PAGE, viewport=viewport, **options)


def press(visit, way, button):
    """Press a button as a reader does."""
    if way == "mouse":
        button.click()
    elif way == "touch":
        button.tap()
    else:
        button.focus()
        visit.page.keyboard.press("Enter")


def leave(visit, way, beside):
    """Close what lies over the page: by the key for it, or by a press beside it."""
    if way == "keyboard":
        visit.page.keyboard.press("Escape")
    else:
        (visit.page.mouse.click if way == "mouse" else visit.page.touchscreen.tap)(*beside)


def wait_for_state(button, expanded):
    """Wait until the button says so: to screen readers it is all there is."""
    button.and_(button.page.locator(f"[aria-expanded={str(expanded).lower()}]")).wait_for()


def has_focus(part):
    return part.evaluate("part => part === document.activeElement")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("width", NARROW)
def test_on_a_narrow_screen_menu_and_contents_open_and_close(chrome, address, width, way):
    with visited(chrome, address, width, way) as visit:
        for side, beside in (("primary", width - 5), ("secondary", 5)):
            button = visit.page.locator(f".{side}-toggle:visible")
            sheet = visit.page.locator(f"#pst-{side}-sidebar-modal")
            wait_for_state(button, False)
            assert not sheet.is_visible()
            for _ in range(2):  # and again
                press(visit, way, button)
                wait_for_state(button, True)
                assert sheet.get_by_role("link").nth(3).is_visible()
                assert sheet.evaluate("part => part.contains(document.activeElement)")
                leave(visit, way, (beside, SIZES[width] / 2))
                wait_for_state(button, False)
                assert not sheet.is_visible() and has_focus(button)
        assert visit.complaints == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("width", NARROW)
def test_on_a_narrow_screen_their_links_lead_there(chrome, address, width, way):
    with visited(chrome, address, width, way) as visit:
        button = visit.page.locator(".secondary-toggle:visible")
        press(visit, way, button)
        link = visit.page.locator("#pst-secondary-sidebar-modal a[href^='#']").nth(4)
        place = visit.page.locator(link.get_attribute("href"))
        press(visit, way, link)
        wait_for_state(button, False)  # out of the way
        visit.page.wait_for_function(
            "part => Math.abs(part.getBoundingClientRect().top) < innerHeight / 3",
            arg=place.element_handle(),
        )
        press(visit, way, visit.page.locator(".primary-toggle:visible"))
        menu = visit.page.locator("#pst-primary-sidebar-modal")
        press(visit, way, menu.get_by_role("link", name="Notation"))
        visit.page.wait_for_url("**/book/notation.html")


@pytest.mark.parametrize("way", WAYS)
def test_on_a_wide_screen_the_menu_folds_and_comes_back(chrome, address, way):
    with visited(chrome, address, 1280, way) as visit:
        button = visit.page.locator(".primary-toggle:visible")
        menu, text = visit.page.locator("#pst-primary-sidebar"), visit.page.locator("article")
        wait_for_state(button, True)
        assert menu.is_visible()
        before = text.bounding_box()["x"]
        press(visit, way, button)
        wait_for_state(button, False)
        menu.wait_for(state="hidden")
        assert has_focus(button)
        visit.page.wait_for_function(
            "before => document.querySelector('article').getBoundingClientRect().x < before - 50",
            arg=before,
        )
        press(visit, way, button)
        wait_for_state(button, True)
        menu.wait_for(state="visible")
        assert has_focus(button)
        # The contents stand beside the text, so that they need no button.
        assert visit.page.locator(".secondary-toggle:visible").count() == 0
        assert visit.page.locator("#pst-secondary-sidebar a").first.is_visible()
        assert visit.complaints == []
