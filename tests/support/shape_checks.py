"""The type checker with which annotated shapes are checked at every call in tests."""

from beartype import BeartypeConf, beartype

_CHECK = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check_calls(function):
    """Returns a function whose arguments and results are checked.

    Constructors are left out, because transformations of JAX fill pytree classes with
    things that are not arrays.
    """
    return function if function.__name__ == "__init__" else _CHECK(function)
