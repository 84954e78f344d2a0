/** One case: a name that says the defect, the message of its refusal (empty when it is valid), and the octets. */
export interface Vector {
  readonly name: string
  readonly message: string
  readonly der: Buffer
}

/** One line of a vector file. */
export function formatVector(vector: Vector): string {
  return [vector.name, vector.message, vector.der.toString('base64')].join('\t')
}

/** The cases of a vector file; lines that begin with # are remarks. */
export function parseVectors(text: string): readonly Vector[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [name = '', message = '', base64 = ''] = line.split('\t')
      return { name, message, der: Buffer.from(base64, 'base64') }
    })
}
