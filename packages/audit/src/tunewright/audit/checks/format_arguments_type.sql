-- id: format.arguments_type
-- severity: warn
-- reason: A chat template writes text with its quotes escaped and an object without: one call comes out in two ways.
-- hint: Write the arguments of every call as an object; chat templates expect one.
WITH counted AS (
    SELECT count(*) FILTER (written = 'text') AS texts, count(*) FILTER (written = 'object') AS objects FROM calls
)
SELECT DISTINCT c.example,
    format('Arguments are text in {} calls and objects in {}', texts, objects) AS message,
    format('message {}: {}', c.message, if(c.written = 'text', 'text', 'an object')) AS detail
FROM calls c CROSS JOIN counted
-- The rarer of the two; where they are equally common, text, for templates want objects.
WHERE texts > 0 AND objects > 0 AND c.written = if(texts <= objects, 'text', 'object')
