-- Runs in front of every script: one stored value that cannot be read stops no other.
-- What could not be read is handed back beside the result, as [key, field, reason].
local unreadable = {}

local function about_value(failure)
    return string.find(failure, 'WRONGTYPE', 1, true) or string.find(failure, 'not an integer', 1, true)
        or string.find(failure, 'not a valid float', 1, true)
end

local function note(key, field, reason)
    unreadable[#unreadable + 1] = { key, field, reason }
end

-- Runs a command; false where the key holds another type, and then true as the second value.
local function try(command, key, ...)
    local reply = redis.pcall(command, key, ...)
    if type(reply) == 'table' and reply.err then
        if not about_value(reply.err) then
            error(reply.err)
        end
        note(key, '', 'wrong type')
        return false, true
    end
    return reply
end

-- Renames a key, so that it stays for the operator and blocks nothing.
local function set_aside(key)
    local place = 'mc1:unreadable:' .. string.sub(key, 5)
    local free, number = place, 1
    while redis.call('EXISTS', free) == 1 do
        number = number + 1
        free = place .. '#' .. number
    end
    redis.call('RENAME', key, free)
    note(key, '', 'set aside')
end

-- Writes; where the key holds another type, that is set aside first.
local function renew(command, key, ...)
    local reply, bad = try(command, key, ...)
    if not bad then
        return reply
    end
    set_aside(key)
    return redis.call(command, key, ...)
end

-- Adds to a number of a hash; a value that is no number is set aside, and counts as zero.
local function count(key, field, amount)
    local held = try('HGET', key, field)
    if held and not string.match(held, '^%-?%d%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?$') then
        redis.call('HSET', 'mc1:unreadable:' .. string.sub(key, 5), field, held)
        redis.call('HDEL', key, field)
        note(key, field, 'no number')
    end
    return renew('HINCRBY', key, field, amount)
end

local function answer(result)
    return '[' .. cjson.encode(result) .. ',' .. (#unreadable > 0 and cjson.encode(unreadable) or '[]') .. ']'
end

-- The same for a list, which may be empty.
local function answer_list(rows)
    return '[' .. (#rows > 0 and cjson.encode(rows) or '[]') .. ',' .. (#unreadable > 0 and cjson.encode(unreadable) or '[]') .. ']'
end
