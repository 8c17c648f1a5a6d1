-- id: coverage.system_message
-- severity: fail
-- threshold: min_support = 10
-- threshold: fail_gap = 0.5
-- threshold: warn_gap = 0.2
-- reason: Where only some tools come with a system message, its absence tells the model which tool to call.
-- hint: Give every example a system message (./inv data.normalize).
WITH slices AS (
    SELECT example, split, 'tool' AS slice, coalesce(tool, 'direct answers') AS name, has_system AS has FROM examples WHERE true
    UNION ALL
    SELECT example, split, 'source', source, has_system FROM examples WHERE source <> '' AND true
), counted AS (
    SELECT split, slice, name, count(*) AS n, count(*) FILTER (has) AS having_it,
        sum(count(*)) OVER whole AS all_n, sum(count(*) FILTER (has)) OVER whole AS all_having_it
    FROM slices GROUP BY split, slice, name
    WINDOW whole AS (PARTITION BY split, slice)
), gaps AS (
    SELECT *, (all_having_it - having_it) / (all_n - n) - having_it / n AS gap,
        count(*) OVER (PARTITION BY split) AS slices,
        surprise(having_it, n, all_having_it, all_n) AS surprise
    FROM counted WHERE n >= $min_support AND all_n - n >= $min_support
), short AS (
    SELECT split, slice, name, n, having_it, gap, if(gap >= $fail_gap, 'fail', 'warn') AS severity
    -- A gap that chance would give in small slices is none: p = 0.01 at most over all slices and the three checks of
    -- coverage together (Chernoff's bound, by relative entropy; a normal tail is too thin for small slices).
    FROM gaps WHERE gap >= $warn_gap AND surprise >= ln(slices / (0.01 / 3))
), said AS (
    SELECT split, slice, s.severity, sum(s.having_it) / sum(s.n) AS share, sum(s.n)::BIGINT AS support,
        string_agg(format('{} ({} of {})', name, s.having_it, s.n), ', ' ORDER BY gap DESC, name) AS names,
        -- Those that are short themselves say nothing about what the others have.
        any_value(t.all_having_it - f.having_it) / nullif(any_value(t.all_n - f.n), 0) AS others
    FROM short s
    JOIN (SELECT DISTINCT split, slice, all_n, all_having_it FROM counted) t USING (split, slice)
    JOIN (SELECT split, slice, sum(n) AS n, sum(having_it) AS having_it FROM short GROUP BY ALL) f USING (split, slice)
    GROUP BY split, slice, s.severity
)
SELECT e.example, split, 'system_message' AS feature, slice AS label, others - share AS effect, support, severity,
    format('{} with a system message, by {}: {}; {:.0f} % of the others', if(severity = 'fail', 'Hardly any examples', 'Fewer examples'),
        slice, names, 100 * coalesce(others, 0)) AS message
FROM said JOIN short USING (split, slice, severity) JOIN slices e USING (split, slice, name)
WHERE NOT e.has
