import { CountersignError } from '../errors.ts'
import { createEventParser } from '../mcp/events.ts'

/**
 * The texts of an answer that ought to be messages, as they come: the one body, or the data of each event of a stream, of which never more
 * than one is in memory. Ends the exchange when nobody reads on.
 */
export async function* answerTexts(
  response: Response,
  messageOctetsMax: number,
): AsyncGenerator<Buffer, void, undefined> {
  if (!isEventStream(response)) {
    const whole = await wholeBody(response, messageOctetsMax)
    if (whole.length > 0) yield whole
    return
  }
  const events: Buffer[] = []
  let pending = 0
  const parser = createEventParser((data) => {
    pending = 0
    if (data !== undefined) events.push(data)
  })
  for await (const chunk of chunksOf(response)) {
    pending += chunk.length
    parser.push(chunk)
    if (pending > messageOctetsMax + chunk.length) throw tooLarge('an event', messageOctetsMax)
    yield* events.splice(0)
  }
}

/** RFC 9110 §8.3.1: the type is of any case, and may have parameters. */
function isEventStream(response: Response): boolean {
  const [type = ''] = (response.headers.get('content-type') ?? '').split(';')
  return type.trim().toLowerCase() === 'text/event-stream'
}

async function wholeBody(response: Response, octetsMax: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of chunksOf(response)) {
    length += chunk.length
    if (length > octetsMax) throw tooLarge('an answer', octetsMax)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

async function* chunksOf(response: Response): AsyncGenerator<Buffer, void, undefined> {
  if (response.body === null) return
  for await (const { buffer, byteOffset, byteLength } of response.body) {
    yield Buffer.from(buffer, byteOffset, byteLength)
  }
}

function tooLarge(what: string, octetsMax: number): CountersignError {
  return new CountersignError(
    'agent/answer',
    `the gateway sent ${what} that is too large: want≤${octetsMax} octets`,
  )
}
