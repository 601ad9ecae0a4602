// What Microsoft's own parser of Adaptive Cards 1.5 finds wrong in each card: cards as JSON on standard input, one list of
// faults a card on standard output.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const AC = createRequire(import.meta.url)('adaptivecards/dist/adaptivecards.js') // its modules are for bundlers

// Left out by the parser itself: what it does not know it keeps silent about, so its own schema is asked for each name.
const unknownNames = (part, json) => {
  const known = new Set(Array.from({ length: part.getSchema().getCount() }, (_, n) => part.getSchema().getItemAt(n).name))
  return Object.keys(json).filter(name => !known.has(name) && !OF_PARENTS.has(name)).map(name => `${json.type ?? 'part'}: unknown ${name}`)
}
// Read by hand, or by the part that holds it; and the one key that belongs to Teams.
const OF_PARENTS = new Set(['type', '$schema', 'body', 'items', 'inlines', 'rows', 'cells', 'columns', 'actions', 'card', 'msteams'])

const inside = (part, json) => [
  ...unknownNames(part, json),
  ...pairs(part, json).flatMap(([inner, source]) => typeof source === 'string' ? [] : inside(inner, source)),
]

const pairs = (part, json) => {
  const sources = json.body ?? json.items ?? json.inlines ?? json.rows ?? json.cells ?? []
  const inner = Array.from({ length: part.getItemCount?.() ?? part.getInlineCount?.() ?? 0 }, (_, n) =>
    part.getItemAt ? part.getItemAt(n) : part.getInlineAt(n))
  if (inner.length !== sources.length) throw new Error(`${json.type}: ${sources.length} parts given, ${inner.length} understood`)
  const actions = (json.actions ?? []).map((source, n) => [part.getActionAt(n), source])
  const folded = json.card ? [[part.card, json.card]] : []
  return [...inner.map((one, n) => [one, sources[n]]), ...actions, ...folded]
}

const faults = json => {
  const context = new AC.SerializationContext(AC.Versions.v1_5)
  const card = new AC.AdaptiveCard()
  card.parse(json, context)
  const told = Array.from({ length: context.eventCount }, (_, n) => context.getEventAt(n).message)
  const later = card.validateProperties().validationEvents.map(event => event.message)
  try {
    return [...told, ...later, ...inside(card, json)]
  } catch (error) {
    return [...told, ...later, String(error)]
  }
}

for (const card of JSON.parse(readFileSync(0, 'utf8'))) console.log(JSON.stringify(faults(card)))
