import type { Caller } from '../caller/caller.ts'
import type { Catalogues } from '../catalogue/catalogues.ts'
import type { Definition } from '../catalogue/definition.ts'
import type { Quarantine } from '../catalogue/pins.ts'
import type { Door } from '../door/arrived.ts'
import { isRefused } from '../refusal.ts'
import { whenThere, type Soon } from '../soon.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { isServed, isWithinCeiling } from './ceiling.ts'
import { whyUntold } from './obligations.ts'
import type { Decisions, Situation } from './policy.ts'

/** Who listens to the servers of a session, outside of any call. */
export interface Listener {
  readonly caller: Caller
  readonly session: Situation['session']
  readonly door: Door
}

/** Where a listener stands to one server: nothing is called, so what is decided is decided of the server as a whole. */
export function listeningTo({ caller, session, door }: Listener, upstream: Upstream): Situation {
  const target = { kind: 'server', upstream } as const
  const message = { era: 'legacy', method: 'GET', params: {} } as const
  return { caller, session, target, message, arrived: { door }, arguments: undefined }
}

/** Whether somebody may be told that a list has changed: whoever may ask for it. */
export function mayHearOfList(
  listening: Situation,
  list: string,
  decisions: Decisions,
): Soon<boolean> {
  return isPermitted({ ...listening, message: { ...listening.message, method: list } }, decisions)
}

/** Whether somebody may be told what a server logs outside of any call: whoever may say how much of it there is to be. */
export function mayHearOfLogs(listening: Situation, decisions: Decisions): Soon<boolean> {
  const message = { ...listening.message, method: 'logging/setLevel' }
  return isPermitted({ ...listening, message }, decisions)
}

/** Whether somebody may be told that a resource has changed: whoever may read that very one (MCP 2025-11-25 resources, subscriptions). */
export function mayHearOfResource(
  listening: Situation,
  uri: string,
  decisions: Decisions,
): Soon<boolean> {
  const { upstream } = listening.target
  if (upstream === undefined) return false
  const target = { kind: 'resource', upstream, name: uri } as const
  const message = { ...listening.message, method: 'resources/read' }
  return isPermitted({ ...listening, target, message }, decisions)
}

/** What is needed to decide on a tool outside of any call. */
interface HearingParts {
  readonly decisions: Decisions
  readonly catalogueOf: Catalogues
  readonly quarantineOf: Quarantine
}

/**
 * Whether somebody may be told of a task: whoever may ask for it, by its tool as that is defined now. Policy is asked again when it is
 * another one or the definition is.
 */
export function hearingOfTasks(
  listener: Listener,
  { decisions, catalogueOf, quarantineOf }: HearingParts,
): (upstream: Upstream, tool: string) => Soon<boolean> {
  const said = new Map<string, { readonly asked: string; readonly may: boolean }>()
  return (upstream, tool) => {
    const { config } = upstream
    const server = listeningTo(listener, upstream)
    const target = { kind: 'tool', upstream, tool } as const
    const listening = { ...server, target, message: { ...server.message, method: 'tasks/get' } }
    if (!isWithinCeiling(listening) || !isServed(target)) return false
    return whenThere(catalogueOf(upstream, 'legacy').find(tool), (definition) => {
      if (definition === undefined || quarantineOf(config, definition, 'legacy') !== undefined)
        return false
      const key = `${config.server} ${tool}`
      const asked = `${decisions.digest()} ${definition.digest}`
      const known = said.get(key)
      if (known?.asked === asked) return known.may && listening.caller.ended === undefined
      return whenThere(isPermitted(listening, decisions, definition), (may) => {
        said.set(key, { asked, may })
        return may
      })
    })
  }
}

function isPermitted(
  asked: Situation,
  decisions: Decisions,
  definition?: Definition,
): Soon<boolean> {
  if (asked.caller.ended !== undefined || !isWithinCeiling(asked) || !isServed(asked.target))
    return false
  return whenThere(
    decisions.decide({ call: asked, definition }),
    (decided) => !isRefused(decided) && whyUntold(decided) === undefined,
  )
}
