"""What the tests of requests share with those of the staff pages."""

from tests.staff.conftest import signed_in  # noqa: F401 - a fixture
