import { version } from '../version.ts'

/** What the gateway says of itself; self-reported like every such name. */
export const gatewayInfo: { readonly name: string; readonly version: string } = {
  name: 'countersign-gateway',
  version,
}
