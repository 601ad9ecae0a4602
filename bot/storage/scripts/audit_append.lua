-- Adds one line to the audit stream of a workspace. ARGV: operation, workspace, most lines, then field and value by turns.
-- Sent again within ten minutes it adds nothing.
if redis.call('SET', 'mc1:done:' .. ARGV[1], 1, 'NX', 'EX', 600) then
    renew('XADD', 'mc1:audit:' .. ARGV[2], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, 4))
end
return answer(true)
