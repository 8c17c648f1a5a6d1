-- id: format.role_order
-- severity: fail
-- reason: Chat templates refuse such an order, drop turns silently, or train on a turn that nothing asked for.
-- hint: One system message first, then user and assistant in turn, tool results after the call they answer.
WITH pairs AS (
    SELECT example, position, role, lag(role) OVER turns AS before, lead(role) OVER turns AS after
    FROM messages WINDOW turns AS (PARTITION BY example ORDER BY position)
), called AS (SELECT DISTINCT example, message FROM calls),
found AS (
    SELECT example, position, 'fail' AS severity, 'a system message that is not the first' AS message
    FROM pairs WHERE role = 'system' AND position > 1
    UNION ALL
    SELECT example, position, 'warn', role || ' twice in a row'
    FROM pairs WHERE role = before AND role IN ('user', 'assistant')
    UNION ALL
    SELECT p.example, position, 'fail', 'a tool result without a call before it'
    FROM pairs p WHERE role = 'tool' AND coalesce(before, '') NOT IN ('assistant', 'tool')
    UNION ALL
    SELECT p.example, position, 'warn', 'a tool result after an answer that calls nothing'
    FROM pairs p WHERE role = 'tool' AND before = 'assistant'
        AND (example, position - 1) NOT IN (SELECT (example, message) FROM called)
    UNION ALL
    SELECT example, position, 'warn', 'an assistant message before any request'
    FROM pairs WHERE role = 'assistant' AND (before IS NULL OR (before = 'system' AND position = 2))
    UNION ALL
    SELECT example, position, 'fail', 'the last message is not an answer'
    FROM pairs WHERE after IS NULL AND role <> 'assistant'
)
SELECT example, severity, message, 'message ' || position AS detail FROM found
