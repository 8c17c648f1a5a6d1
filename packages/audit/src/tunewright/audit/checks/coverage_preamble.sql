-- id: coverage.preamble
-- severity: warn
-- threshold: min_support = 10
-- threshold: fail_gap = 2.0
-- threshold: warn_gap = 0.3
-- reason: Where only some tools are announced in words, the words and not the request may pick the tool.
-- hint: Put a preamble before the same share of calls of every tool (./inv data.normalize).
WITH slices AS (
    SELECT example, split, 'tool' AS slice, coalesce(tool, 'direct answers') AS name, (preamble <> '') AS has FROM examples WHERE calls > 0
    UNION ALL
    SELECT example, split, 'source', source, (preamble <> '') FROM examples WHERE source <> '' AND calls > 0
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
    -- In either direction: what only one tool has gives it away as well as what it lacks.
    SELECT split, slice, name, n, having_it, gap, gap < 0 AS more, if(abs(gap) >= $fail_gap, 'fail', 'warn') AS severity
    -- A gap that chance would give in small slices is none: p = 0.01 at most over all slices and the three checks of
    -- coverage together (Chernoff's bound, by relative entropy; a normal tail is too thin for small slices).
    FROM gaps WHERE abs(gap) >= $warn_gap AND surprise >= ln(2 * slices / (0.01 / 3))
), said AS (
    SELECT split, slice, s.severity, more, sum(s.having_it) / sum(s.n) AS share, sum(s.n)::BIGINT AS support,
        string_agg(format('{} ({} of {})', name, s.having_it, s.n), ', ' ORDER BY abs(gap) DESC, name) AS names,
        -- Those that are short themselves say nothing about what the others have.
        any_value(t.all_having_it - f.having_it) / nullif(any_value(t.all_n - f.n), 0) AS others
    FROM short s
    JOIN (SELECT DISTINCT split, slice, all_n, all_having_it FROM counted) t USING (split, slice)
    JOIN (SELECT split, slice, more, sum(n) AS n, sum(having_it) AS having_it FROM short GROUP BY ALL) f
        USING (split, slice, more)
    GROUP BY split, slice, s.severity, more
)
SELECT e.example, split, 'preamble' AS feature, slice AS label, abs(others - share) AS effect, support, severity,
    format('{} with text before the call, by {}: {}; {:.0f} % of the others', if(more, 'More examples',
        if(severity = 'fail', 'Hardly any examples', 'Fewer examples')), slice, names, 100 * coalesce(others, 0)) AS message
FROM said JOIN short USING (split, slice, severity, more) JOIN slices e USING (split, slice, name)
-- Where some tools lack it and others have more than their share, it is said once, of those that lack it.
WHERE e.has = more AND NOT (more AND EXISTS (FROM short o WHERE NOT o.more AND o.split = said.split AND o.slice = said.slice))
