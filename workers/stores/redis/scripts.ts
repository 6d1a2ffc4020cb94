import { createHash } from 'node:crypto'
import { LONGEST_LEASE } from '../record.js'

/**
 * The contract of a store as scripts: each runs atomically, on one key, by the server's clock. They say in Lua what
 * `../record.ts` says in TypeScript. A record is a hash of plain fields, that an operator can read by HGETALL.
 */
export interface Script {
  readonly text: string
  readonly sha: string
}

export const CHANNEL = 'token-thread:notices'

/** The braces are a cluster's hash tag. */
export const keyOf = (account: string): string => `token-thread:{${account}}`

// Lua's numbers are doubles: exact for ms, but written as 1.7e+12 unless formatted. A record without all the fields
// that belong together, or with one that is no whole number or beyond what a double holds, is not trusted: read as empty
// it would lose its epoch.
const PRELUDE = `
local key = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local record = {}
local flat = redis.call('HGETALL', key)
for i = 1, #flat, 2 do record[flat[i]] = flat[i + 1] end

local function num(field) return tonumber(record[field] or 0) end
local function whole(number) return string.format('%.0f', number) end

-- An empty value is none. HDEL comes first: a script that is refused something leaves what it has written before.
local function write(fields)
  local set, unset = {}, {}
  for i = 1, #fields, 2 do
    if fields[i + 1] == '' then
      unset[#unset + 1] = fields[i]
    else
      set[#set + 1] = fields[i]
      set[#set + 1] = fields[i + 1]
    end
  end
  if #unset > 0 then redis.call('HDEL', key, unpack(unset)) end
  redis.call('HSET', key, 'epoch', whole(num('epoch')), unpack(set))
end

-- A user that may not publish still writes: who watches also polls.
local function tell(generation, suspect)
  redis.pcall('PUBLISH', '${CHANNEL}', whole(generation) .. ' ' .. suspect .. ' ' .. string.sub(key, ${keyOf('').length}, -2))
end

local function damaged()
  local numbers = {
    'epoch', 'leaseEnds', 'issuedAt', 'expiresAt', 'generation', 'tokenEpoch', 'suspectSince',
    'dayEnds', 'calls', 'forced', 'lastCall', 'lastForced', 'retryAt', 'failures'
  }
  for _, field in ipairs(numbers) do
    if record[field] then
      local digits = string.match(record[field], '^%-?(%d+)$')
      if not digits or #digits > 16 or tonumber(digits) > ${Number.MAX_SAFE_INTEGER} then return field end
    end
  end
  if #flat > 0 and not record.epoch then return 'epoch' end
  local groups = {
    { 'accessToken', 'issuedAt', 'expiresAt', 'generation', 'tokenEpoch' },
    { 'dayEnds', 'calls', 'forced' },
    { 'retryAt', 'failures' }
  }
  for _, group in ipairs(groups) do
    for _, field in ipairs(group) do
      if not record[field] ~= not record[group[1]] then return field end
    end
  end
  return nil
end

local wrong = damaged()
if wrong then return { 'damaged', wrong } end
`

export const LOAD = script(`
return { 'read', now, 0, flat }
`)

export const ACQUIRE = script(`
local duration, known = tonumber(ARGV[1]), tonumber(ARGV[2])
local left = num('leaseEnds') - now
if left > 0 and left <= ${LONGEST_LEASE} * duration then return { 'held', now, left, flat } end
local epoch = math.max(num('epoch') + 1, num('generation') + 1, known + 1, now)
redis.call('HSET', key, 'epoch', whole(epoch), 'leaseEnds', whole(now + duration))
return { 'granted', now, 0, redis.call('HGETALL', key) }
`)

export const SPEND = script(`
if num('epoch') ~= tonumber(ARGV[1]) then return { 'refused' } end
write({
  'dayEnds', ARGV[2], 'calls', ARGV[3], 'forced', ARGV[4], 'lastCall', ARGV[5], 'lastForced', ARGV[6]
})
return { 'written' }
`)

export const PUBLISH = script(`
local generation = tonumber(ARGV[5])
if num('epoch') ~= tonumber(ARGV[1]) or generation < num('generation') then return { 'refused' } end
local isHigher = generation > num('generation')
local suspectSince = isHigher and '' or record.suspectSince or ''
write({
  'issuedAt', ARGV[3], 'expiresAt', ARGV[4], 'generation', ARGV[5], 'tokenEpoch', ARGV[1],
  'suspectSince', suspectSince, 'retryAt', '', 'failures', ''
})
redis.call('HSET', key, 'accessToken', ARGV[2])
if isHigher then tell(generation, 0) end
return { 'written' }
`)

export const SUSPECT = script(`
local generation = tonumber(ARGV[1])
if not record.generation or num('generation') ~= generation or record.suspectSince then return { 'refused' } end
write({ 'suspectSince', whole(num('epoch')) })
tell(generation, 1)
return { 'written' }
`)

export const RELEASE = script(`
if num('epoch') ~= tonumber(ARGV[1]) then return { 'refused' } end
write({ 'leaseEnds', '0', 'retryAt', ARGV[2] or record.retryAt or '', 'failures', ARGV[3] or record.failures or '' })
return { 'written' }
`)

function script(body: string): Script {
  const text = PRELUDE + body
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}
