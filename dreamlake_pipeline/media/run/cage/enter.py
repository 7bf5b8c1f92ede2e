"""Put a process into the cage: every layer that can be had, and the names of those that can't."""

from __future__ import annotations

from collections.abc import Callable

from . import landlock, limits, namespaces, privileges, root, seccomp, user
from .layer import LANDLOCK, LIMITS, NAMESPACES, PRIVILEGES, ROOT, SECCOMP, USER, Layer, Missing, Plan


class Entrance:
    """The way in: `prepare` before a worker is forked, `enter` in it. What it came to is in `layers`."""

    def __init__(self, plan: Plan) -> None:
        self.layers: list[Layer] = []
        self._plan = plan
        self._has_namespaces = self._in_user_namespace = False

    def prepare(self) -> None:
        """What whoever forks the worker has to do before."""
        if NAMESPACES in self._plan.without:
            return
        try:
            self._in_user_namespace = namespaces.prepare()
            self._has_namespaces = True
        except Missing as missing:
            self.layers.append(Layer(NAMESPACES, False, str(missing)))

    def enter(self, number: int) -> None:
        """Put this process, which was just forked, into all layers; `number` is no other worker's."""
        plan = self._plan
        if self._has_namespaces:
            self._put_on(NAMESPACES, namespaces.enter)
            self._put_on(ROOT, lambda: root.enter(plan))
        else:
            self._put_on(ROOT, _without_namespaces)
        counted_alone = self._in_user_namespace
        if user.is_wanted():
            counted_alone = self._put_on(USER, lambda: user.enter(plan, number))
        self._put_on(LIMITS, lambda: limits.enter(counted_alone=counted_alone))
        self._put_on(PRIVILEGES, privileges.enter)
        self._put_on(LANDLOCK, lambda: landlock.enter(plan))
        self._put_on(SECCOMP, lambda: seccomp.enter(plan))

    def _put_on(self, name: str, layer: Callable[[], Layer]) -> bool:
        if name in self._plan.without:
            return False
        try:
            self.layers.append(layer())
        except Missing as missing:
            self.layers.append(Layer(name, False, str(missing)))
        return self.layers[-1].holds


def _without_namespaces() -> Layer:
    raise Missing("it needs namespaces")
