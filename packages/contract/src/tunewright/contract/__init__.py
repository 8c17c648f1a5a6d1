"""What the other packages agree on. The ground floor: imports nothing of Tunewright."""

from typing import TYPE_CHECKING

from tunewright.contract.lazy import lazily

if TYPE_CHECKING:
    from tunewright.contract.errors import ExitCode, UserError
    from tunewright.contract.example import Example, Message
    from tunewright.contract.recipe import Recipe, load_recipe

__all__ = ["Example", "ExitCode", "Message", "Recipe", "UserError", "load_recipe"]
__getattr__ = lazily(
    __name__,
    {
        "Example": "tunewright.contract.example:Example",
        "ExitCode": "tunewright.contract.errors:ExitCode",
        "Message": "tunewright.contract.example:Message",
        "Recipe": "tunewright.contract.recipe:Recipe",
        "UserError": "tunewright.contract.errors:UserError",
        "load_recipe": "tunewright.contract.recipe:load_recipe",
    },
)
