"""All exports share torch's table of translations."""

from tests.translations import one_table_of_translations

__all__ = ["one_table_of_translations"]
