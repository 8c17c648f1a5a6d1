-- id: conflict.contradictory_first_turn
-- severity: warn
-- threshold: fail_share = 0.05
-- reason: Word for word the same context calls a tool in one row and answers in words in another.
-- hint: Decide whether the request needs a tool, and keep the rows that agree.
WITH torn AS (
    SELECT prompt_hash, coalesce(toolset, '') AS tools FROM examples GROUP BY ALL
    HAVING bool_or(answer_tool = '(none)') AND bool_or(answer_tool <> '(none)')
), totals AS (SELECT count(*) AS n FROM examples)
SELECT e.example, e.split, n AS support, count(*) OVER () / n AS effect,
    if(count(*) OVER () >= $fail_share * n, 'fail', 'warn') AS severity,
    format('{} rows with the same beginning disagree on whether to call a tool', count(*) OVER ()) AS message,
    if(answer_tool = '(none)', 'answers directly', 'calls ' || answer_tool) AS detail
FROM examples e JOIN torn t ON t.prompt_hash = e.prompt_hash AND t.tools = coalesce(e.toolset, '') CROSS JOIN totals
