"""The offered tools of a dataset: a recipe's catalog, and which tool each one really is."""

from typing import TYPE_CHECKING

from tunewright.chat.tools import toolset_of

if TYPE_CHECKING:
    import duckdb

    from tunewright.contract.recipe import Recipe


def offer_catalog(connection: "duckdb.DuckDBPyConnection", recipe: "Recipe") -> None:
    """Put the recipe's catalog into `offered` as the toolset `catalog`: for rows that list no tools of their own."""
    from tunewright.audit.database import insert
    from tunewright.chat.catalog_tools import catalog_tools
    from tunewright.contract.catalog import recipe_catalog

    tools = catalog_tools(recipe_catalog(recipe.data))
    insert(
        connection,
        "offered",
        '{"toolset":"VARCHAR","position":"INTEGER","tool":"VARCHAR","description":"VARCHAR","parameters":"VARCHAR",'
        '"written":"VARCHAR","kind":"VARCHAR"}',
        [{"toolset": "catalog", **tool, "kind": tool["tool"]} for tool in toolset_of(tools)],
    )


# Tools that are described alike are one tool, whatever each row calls it: names may be masked. But not where one list
# has the description twice.
_KINDS = """
WITH described AS (
    SELECT description, arg_max(tool, (n, tool)) AS kind FROM (
        SELECT description, tool, count(*) AS n FROM offered WHERE description <> '' GROUP BY ALL
    ) WHERE description NOT IN (
        SELECT description FROM offered GROUP BY toolset, description HAVING count(DISTINCT tool) > 1
    ) GROUP BY description
)
UPDATE offered SET kind = coalesce((SELECT d.kind FROM described d WHERE d.description = offered.description), tool)
"""


_NAMED = """
SELECT c.* REPLACE (coalesce(o.kind, c.tool) AS tool)
FROM calls c JOIN rows r USING (example) LEFT JOIN offered o ON o.toolset = r.toolset AND o.tool = c.tool
"""


def find_kinds(connection: "duckdb.DuckDBPyConnection") -> None:
    """Fill in `offered.kind`, which tool a tool really is, and make `named_calls`: the calls with their tools as kinds."""
    connection.execute(_KINDS)
    renamed = connection.execute("SELECT 1 FROM offered WHERE kind <> tool LIMIT 1").fetchone()
    # Most datasets rename nothing, and a join with every call is not free.
    connection.execute(f"CREATE VIEW named_calls AS {_NAMED if renamed else 'FROM calls'}")
