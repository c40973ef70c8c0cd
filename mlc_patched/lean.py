"""What this program uses of `dataclasses` and `typing`, without their price at every start.

The standard decorator imports `inspect` and compiles six functions for each class, which is a third
of a short command's time. Type checkers see the standard one; `dataclasses.replace`, `fields` and
`asdict` accept these classes as well.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""As typing's, which takes time to import."""

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
    from typing import Protocol
else:

    class Protocol:
        """See `typing.Protocol`."""

    class _Made:
        """A default that is made for each object."""

        def __init__(self, make, compare):
            self.make, self.compare = make, compare

    class _StandardFields:
        """`__dataclass_fields__`, for which only the functions of `dataclasses` ask."""

        def __get__(self, _, owner):
            import dataclasses

            def standard(name):
                if name not in owner._field_defaults:
                    return dataclasses.field()
                default = owner._field_defaults[name]
                if isinstance(default, _Made):
                    return dataclasses.field(default_factory=default.make, compare=default.compare)
                return dataclasses.field(default=default)

            fields = [(name, kind, standard(name)) for name, kind in owner._field_types.items()]
            made = dataclasses.make_dataclass(owner.__name__, fields).__dataclass_fields__
            owner.__dataclass_fields__ = made
            return made

    def _values(self):
        own = self.__dict__
        return tuple([own[name] for name in self._field_compared])

    def _frozen(message):
        from dataclasses import FrozenInstanceError

        return FrozenInstanceError(message)

    class _Methods:
        def __init__(self, /, *values, **named):
            types, defaults = self._field_types, self._field_defaults
            given = dict(zip(types, values, strict=False))
            wrong = (given.keys() & named.keys()) | (named.keys() - types.keys())
            if wrong or len(values) > len(types):
                raise TypeError(f"{type(self).__name__} does not take {sorted(wrong) or values}")
            given.update(named)
            own = self.__dict__
            for name in types:
                if name in given:
                    own[name] = given[name]
                elif name in defaults:
                    default = defaults[name]
                    own[name] = default.make() if isinstance(default, _Made) else default
                else:
                    raise TypeError(f"{type(self).__name__} needs {name}")

        def __repr__(self):
            shown = [f"{name}={self.__dict__[name]!r}" for name in self._field_types]
            return f"{type(self).__qualname__}({', '.join(shown)})"

        def __eq__(self, other):
            if other.__class__ is not self.__class__:
                return NotImplemented
            return _values(self) == _values(other)

        def __hash__(self):
            return hash(_values(self))

        def __setattr__(self, name, value):
            raise _frozen(f"{type(self).__name__} is frozen: {name} cannot be set")

        def __delattr__(self, name):
            raise _frozen(f"{type(self).__name__} is frozen: {name} cannot be deleted")

    def dataclass(decorated=None, *, frozen=False):
        """See `dataclasses.dataclass`."""
        if decorated is None:
            return lambda decorated: dataclass(decorated, frozen=frozen)
        own = vars(decorated).get("__annotations__", {})
        defaults = dict(getattr(decorated, "_field_defaults", {}))
        for name in own:
            if name in vars(decorated):
                defaults[name] = vars(decorated)[name]
                if isinstance(defaults[name], _Made):
                    delattr(decorated, name)
        names = ("__init__", "__repr__", "__eq__")
        for name in (*names, "__hash__", "__setattr__", "__delattr__") if frozen else names:
            if name not in vars(decorated):
                setattr(decorated, name, vars(_Methods)[name])
        if not frozen:
            decorated.__hash__ = None
        types = {**getattr(decorated, "_field_types", {}), **own}
        decorated._field_types, decorated._field_defaults = types, defaults
        decorated._field_compared = [
            name for name in types if getattr(defaults.get(name), "compare", True)
        ]
        decorated.__match_args__ = tuple(types)
        decorated.__dataclass_fields__ = _StandardFields()
        return decorated

    def field(*, default_factory, compare=True):
        """See `dataclasses.field`."""
        return _Made(default_factory, compare)

    def replace(value, /, **changes):
        """See `dataclasses.replace`."""
        own = value.__dict__
        return type(value)(**{**{name: own[name] for name in value._field_types}, **changes})


__all__ = ["TYPE_CHECKING", "Protocol", "dataclass", "field", "replace"]
