import { parseExactly } from '../exact-json.ts'

/** What may be as large as somebody likes, with what it gives way to. */
interface LargeEvent {
  readonly input?: unknown
  readonly result?: { readonly allow?: unknown } | null
  readonly erased?: readonly string[]
}

/** Of a name or a URI that stays. */
const textMax = 1024

/**
 * The line of an event that is too large for its receiver, without what makes it so: who asked for what, and whether it was allowed, stays,
 * and `erased` says what is gone. OPA loses such an event; the log itself has all of it.
 */
export function reduceEvent(line: string): string {
  const event = parseExactly(line) as Record<string, unknown> & LargeEvent
  const { input, result, erased = [] } = event
  const kept = {
    ...event,
    ...('input' in event ? { input: outlineOf(input) } : {}),
    ...('result' in event ? { result: outcomeOf(result) } : {}),
  }
  return JSON.stringify({ ...kept, erased: [...new Set([...erased, '/input', '/result'])] })
}

function outlineOf(input: unknown): unknown {
  const { subject, action, resource } = (input ?? {}) as {
    readonly subject?: { readonly id?: unknown }
    readonly action?: { readonly name?: unknown }
    readonly resource?: {
      readonly type?: unknown
      readonly id?: unknown
      readonly properties?: { readonly server?: unknown }
    }
  }
  return {
    subject: { id: cut(subject?.id) },
    action: { name: cut(action?.name) },
    ...(resource === undefined
      ? {}
      : {
          resource: {
            type: cut(resource.type),
            id: cut(resource.id),
            properties: { server: cut(resource.properties?.server) },
          },
        }),
  }
}

function outcomeOf(result: LargeEvent['result']): object | null {
  return typeof result?.allow === 'boolean' ? { allow: result.allow } : null
}

function cut(value: unknown): unknown {
  return typeof value === 'string' ? value.slice(0, textMax).toWellFormed() : undefined
}
