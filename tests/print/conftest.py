"""The texts, as the library's tests have them."""

from tests.library.conftest import folder, library, professional  # noqa: F401 - fixtures
