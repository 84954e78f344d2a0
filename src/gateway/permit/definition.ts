import { quoted } from '../../errors.ts'
import { findVariant } from '../../mcp/argument-names.ts'
import { compareParamHeaders } from '../../mcp/param-headers.ts'
import type { Era } from '../../mcp/message.ts'
import { problemCodes } from '../../mcp/problem.ts'
import type { Reason } from '../../policy/decision.ts'
import type { Call } from '../call.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Definition } from '../catalogue/definition.ts'
import { refused, temporarilyUnavailable, unknownTool, type Refused } from '../refusal.ts'
import { isAcross } from '../translate/era.ts'
import { toolAcross } from '../translate/tool.ts'

/** A tool that is not known is only known to be none while its server can be asked. */
export function refuseUnknown({ message, target, taskId }: Call, { failure }: Catalogue): Refused {
  // What is shown of a task is its owner's alone, and no name.
  const name = taskId !== undefined && target.kind === 'tool' ? target.tool : message.name
  return refused(
    'definition',
    failure === undefined
      ? unknownTool(name ?? '')
      : temporarilyUnavailable(
          failure.failed === 'time-out',
          `${failure.failed}: ${failure.detail}`,
        ),
  )
}

/** Why a tool of a server of the other era cannot be called from this one. */
export function untranslatable(
  era: Era,
  server: { readonly eras: readonly Era[] },
  definition: Definition,
): Reason | undefined {
  if (!isAcross(era, server) || !toolAcross(definition).needsTask) return undefined
  const message = 'this tool runs as a task, and tasks are not carried from one era to the other'
  return { code: 'task-of-other-era', message, audience: 'agent' }
}

/** The headers that mirror the arguments of a tool say what they say. */
export function checkParamHeaders(
  { arrived, message }: Call,
  { paramHeaders }: Definition,
): Refused | undefined {
  if (message.era === 'legacy' || 'code' in paramHeaders) return undefined
  const problem = compareParamHeaders(paramHeaders, message.arguments, arrived.request.rawHeaders)
  return problem === undefined ? undefined : refused('definition', problem)
}

/** No argument is one that rules do not see and the tool server takes for one that they ask for. */
export function checkArgumentNames({ message }: Call, definition: Definition): Refused | undefined {
  const names = definition.argumentNames()
  if (names === undefined || message.arguments === undefined) return undefined
  const variant = findVariant(names, message.arguments)
  if (variant === undefined) return undefined
  const text =
    variant === 'too many'
      ? 'too many arguments that the tool does not name'
      : `an argument ${quoted(variant.name)} that differs from ${quoted(variant.wanted)} in case only`
  return refused('definition', { status: 200, code: problemCodes.invalidParams, message: text })
}
