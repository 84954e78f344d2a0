import type { AskedResource } from '../../policy/asked.ts'
import { boundedText, type InputText } from '../../policy/input.ts'
import type { Value } from '../../policy/plan/values.ts'
import type { Definition } from './definition.ts'

/** What policy is told of one of a list. */
export interface ResourceText extends AskedResource {
  /** No other text of this process has it. */
  readonly number: number
}

let made = 0

export function numbered(text: InputText, value: Value): ResourceText {
  made += 1
  return { text, octets: Buffer.byteLength(text), value, number: made }
}

type Described = Pick<Definition, 'name' | 'digest' | 'annotations' | 'annotationsText'>

/** What policy is told of a tool of this server: a `DecisionResource`. */
export function tellTool(server: string, definition: Described): ResourceText {
  return numbered(formatTool(server, definition), toolValue(server, definition))
}

/** Of texts that were found fit with the definition. */
function formatTool(server: string, { name, digest, annotationsText }: Described): InputText {
  const id = JSON.stringify(name)
  const told = annotationsText === undefined ? '' : `,"annotations":${annotationsText}`
  const properties = `{"server":${JSON.stringify(server)},"definitionDigest":"${digest}"${told}}`
  return boundedText(`{"type":"tool","id":${id},"properties":${properties}}`)
}

/** The value of that text, without parsing what we have written ourselves. */
function toolValue(server: string, { name, digest, annotations }: Described): Value {
  const properties =
    annotations === undefined
      ? { server, definitionDigest: digest }
      : { server, definitionDigest: digest, annotations }
  return Object.freeze({ type: 'tool', id: name, properties: Object.freeze(properties) })
}
