-- id: format.key_sets
-- severity: warn
-- reason: Loaders take the columns of the first rows for all; mlx-lm makes batches by the number of keys of a row.
-- hint: Give every row the same keys.
WITH counted AS (
    SELECT split, list_sort(keys) AS keys, count(*) AS n FROM rows JOIN files USING (file) GROUP BY ALL
), common AS (SELECT split, arg_max(keys, n) AS keys, sum(n)::BIGINT AS total FROM counted GROUP BY split)
SELECT r.example, f.split, c.n / total AS effect, total AS support,
    format('{} of {} rows of {} have the keys [{}] where most have [{}]', c.n, total, f.split,
        array_to_string(c.keys, ', '), array_to_string(common.keys, ', ')) AS message
FROM rows r JOIN files f USING (file)
JOIN counted c ON c.split = f.split AND c.keys = list_sort(r.keys)
JOIN common ON common.split = f.split
WHERE c.keys <> common.keys
