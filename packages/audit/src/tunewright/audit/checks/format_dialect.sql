-- id: format.dialect
-- severity: warn
-- reason: The same call with other whitespace is other tokens: the model splits its probability between both.
-- hint: Render every call with the same whitespace.
WITH counted AS (SELECT syntaxes, dialect, count(*) AS n FROM turns WHERE len(syntaxes) = 1 GROUP BY ALL),
common AS (SELECT syntaxes, arg_max(dialect, n) AS dialect, sum(n) AS total FROM counted GROUP BY syntaxes)
SELECT t.example, c.n / total AS effect, total::BIGINT AS support,
    format('{} of {} {} calls are spaced unlike the others', c.n, total::BIGINT, t.syntaxes[1]) AS message,
    format('message {}: {}', t.message, t.dialect) AS detail
FROM turns t JOIN counted c USING (syntaxes, dialect) JOIN common USING (syntaxes)
WHERE c.dialect <> common.dialect
    -- A turn with two calls shows the dialect of its only spacing twice.
    AND NOT contains(c.dialect, common.dialect)
