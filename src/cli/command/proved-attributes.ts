import { CountersignError, quoted } from '../../errors.ts'
import { provableBy, provedFor, type ProvedAttributes } from '../../signer/preview/attributes.ts'
import type { Workload } from './cluster-workload.ts'

/**
 * What a certificate of a workload would say if it were issued now. Of a pod it is what its volume asks for; of a service account, all that
 * one of its pods may ask for. Throws `cli/usage` where the signer would refuse.
 */
export function attributesOf(workload: Workload): ProvedAttributes {
  const { pod } = workload
  if (pod === undefined) return provableBy(workload)
  const proved = provedFor(workload, askedBy(pod))
  if ('granted' in proved) return proved.granted
  const { field, asked, proved: shown, change } = proved.refused
  const name = quoted(pod.metadata.name, 253)
  const message = `pod ${name} gets no certificate: its ${field} ${asked} is not proved: ${shown}`
  throw new CountersignError('cli/usage', message, { hint: change })
}

/** The annotations of the one volume source with which the pod asks for its certificate. */
function askedBy({
  metadata,
  podCertificates,
}: NonNullable<Workload['pod']>): Readonly<Record<string, string>> {
  const asked = podCertificates.map(({ userAnnotations }) => userAnnotations)
  const [first, ...others] = asked
  if (first === undefined) throw unfit(`pod ${quoted(metadata.name, 253)} asks for no certificate`)
  const differs = others.some((each) => JSON.stringify(each) !== JSON.stringify(first))
  if (differs) throw unfit(`pod ${quoted(metadata.name, 253)} asks for several certificates`)
  return first
}

function unfit(message: string): CountersignError {
  const hint =
    'give its certificate (--certificate), or its SPIFFE ID with --tool-scopes, --role and --tenant'
  return new CountersignError('cli/usage', message, { hint })
}
