-- id: balance.direct_answers
-- severity: warn
-- threshold: min_share = 0.02
-- threshold: max_share = 0.8
-- threshold: min_examples = 50
-- reason: Without examples that answer directly a model learns to call a tool for every question.
-- hint: Add questions that need no tool, about the tools too; a tenth to a quarter of the set is usual.
WITH counted AS (
    -- What cannot call says nothing about when not to.
    SELECT count(*) AS n, count(*) FILTER (calls = 0) AS direct, any_value(closed) AS closed
    FROM examples CROSS JOIN without_tools WHERE split = 'train' AND (toolset IS NOT NULL OR NOT closed)
)
SELECT NULL::BIGINT AS example, 'train' AS split, direct / n AS effect, n AS support,
    format('{} of {} examples{} answer without a call', direct, n, if(closed, ' that offer tools', '')) AS message
FROM counted WHERE n >= $min_examples AND direct < n AND (direct < $min_share * n OR direct > $max_share * n)
