import { escapedJson, quoted } from '../../../errors.ts'
import type { DecisionGroup } from '../../../policy/author/decision-groups.ts'

/** Far more than a name is where it is told. */
const charactersMax = 2_048

/** A name from a log, for a line that is read: as it is where it is one word in ASCII, else quoted, so that it moves no terminal. */
export function printableName(name: string): string {
  return /^[!-~]+$/.test(name) && name.length <= charactersMax ? name : quoted(name, charactersMax)
}

/** A text from a log that may have spaces. */
export function printableText(text: string): string {
  return /^[ -~]*$/.test(text) && text.length <= charactersMax ? text : quoted(text, charactersMax)
}

/** A value, for a person who reads it on several lines. */
export function printableJson(value: unknown): string {
  return escapedJson(JSON.stringify(value, null, 2))
}

/** Decisions that changed alike, for a person. */
export function printableGroup(group: DecisionGroup): string {
  const { change, subject, resource, from, to, count, decisionId } = group
  const [who, what, which] = [subject, resource, decisionId].map(printableName)
  const how = [from, to].map(printableText).join(' -> ')
  const kind = printableText(change.toUpperCase())
  return `${kind} ${count} × ${who} ${what}\n  ${how}\n  such as ${which}\n`
}
