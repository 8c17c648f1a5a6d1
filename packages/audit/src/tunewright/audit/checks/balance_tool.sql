-- id: balance.tool
-- severity: warn
-- threshold: min_examples = 10
-- threshold: max_share = 0.6
-- reason: A tool that is hardly shown is not learned; a tool that is shown nearly always is called always.
-- hint: Add examples of the rare tools, or take some of the common one away.
WITH calls_made AS (
    SELECT c.example, c.tool FROM named_calls c JOIN examples e USING (example) WHERE c.tool IS NOT NULL AND e.split = 'train'
), counted AS (
    SELECT tool, count(*) AS n, sum(count(*)) OVER () AS total, count(*) OVER () AS tools FROM calls_made GROUP BY tool
), judged AS (
    SELECT *, n < least($min_examples, total / tools / 4) AS rare, n / total > $max_share AND tools > 2 AS common FROM counted
), named AS (
    -- A finding for each tool, unless there are too many to read.
    SELECT count(*) AS rare_ones, max(n) AS most,
        array_to_string(list(format('{} ({})', tool, n) ORDER BY n, tool)[:5], ', ') AS names
    FROM judged WHERE rare
)
SELECT c.example, 'train' AS split, if(rare AND rare_ones > 10, most, n) / total AS effect,
    if(rare AND rare_ones > 10, most, n) AS support,
    CASE WHEN rare AND rare_ones > 10 THEN
            format('{} tools have at most {} of {} calls: {}, …', rare_ones, most, total, names)
         WHEN rare THEN format('{} has only {} of {} calls', j.tool, n, total)
         ELSE format('{} has {} of {} calls', j.tool, n, total) END AS message
FROM named, judged j JOIN (SELECT DISTINCT example, tool FROM calls_made) c USING (tool)
WHERE rare OR common
