"""Packages that are not installed, for a test of what is said then."""

import sys


def hide(monkeypatch, package, *modules):
    """Hide a package from imports, and forget it and what has imported it."""

    class Without:
        """Finds nothing of the package."""

        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == package:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    for name in modules:
        monkeypatch.delattr(name, raising=False)
    for name in list(sys.modules):
        if name.partition(".")[0] == package or name in modules:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Without(), *sys.meta_path])
