/** The defences of a bundle that comes from an OCI layout or a registry. */
import type { Mutation } from './mutation.ts'

const manifest = 'src/policy/oci/manifest.ts'
const layout = 'src/policy/oci/layout.ts'
const registry = 'src/policy/oci/registry.ts'
const authorization = 'src/policy/oci/authorization.ts'

const parsed = ['test/policy/oci/manifest.test.ts']
const laidOut = ['test/policy/oci/layout.test.ts']
const asked = ['test/policy/oci/registry.test.ts']

const claim = 'policy.bundle-by-digest'
const stay = 'policy.registry-credentials-stay'

export const ociMutations: readonly Mutation[] = [
  {
    claim,
    without: 'the look whether an image of an index is what its digest names',
    file: registry,
    edits: [['if (isOf(body, image))', 'if (body.length >= 0)']],
    tests: asked,
  },
  {
    claim,
    without: 'the refusal of an index that is an image, too',
    file: manifest,
    edits: [["Object.hasOwn(document, 'layers')", "Object.hasOwn(document, 'no layers')"]],
    tests: parsed,
  },
  {
    claim,
    without: 'the refusal of an index with several images',
    file: manifest,
    edits: [['|| images.length > 1', '|| images.length > 99']],
    tests: parsed,
  },
  {
    claim,
    without: 'the look whether a file of a layout is what its digest names',
    file: layout,
    edits: [['if (!isOf(octets, descriptor))', 'if (octets.length > Infinity)']],
    tests: laidOut,
    named: 'its digest names',
  },
  {
    claim,
    without: 'the ban on links that lead out of a layout',
    file: layout,
    edits: [['if (!isInside(folder, file)) throw', 'if (file === folder) throw']],
    tests: laidOut,
    named: 'leads out of a layout',
  },
  {
    claim,
    without: 'the refusal of a layout that could mean two',
    file: layout,
    edits: [['found.every(({ digest }) => digest === chosen.digest)', 'found.length > 0']],
    tests: laidOut,
    named: 'could mean two',
  },
  {
    claim,
    without: 'the refusal of a manifest with two bundles',
    file: manifest,
    edits: [['bundle === undefined || bundles.length > 1', 'bundle === undefined']],
    tests: parsed,
    named: 'two readers',
  },
  {
    claim,
    without: 'the refusal of members that are there twice',
    file: manifest,
    edits: [['if (faultInJson(text) !== undefined)', 'if (faultInJson(text) === null)']],
    tests: parsed,
    named: 'two readers',
  },
  {
    claim,
    without: 'the look whether an archive of a registry is what its digest names',
    file: registry,
    edits: [['if (isOf(body, layer)) return body', 'if (body.length >= 0) return body']],
    tests: asked,
    named: 'whatever a registry sends',
  },
  {
    claim,
    without: 'the look whether a manifest of a registry is what its digest names',
    file: registry,
    edits: [['(each) => each !== digest)', '(each) => each === null)']],
    tests: asked,
    named: 'pinned by its digest',
  },
  {
    claim,
    without: 'the bound on what a manifest may say of its layer',
    file: manifest,
    edits: [['if (bundle.size > archiveOctetsMax)', 'if (bundle.size > Infinity)']],
    tests: asked,
    named: 'larger than a bundle',
  },
  {
    claim: stay,
    without: 'the look at whose token server it is',
    file: authorization,
    edits: [['url !== null && isThere &&', 'url !== null &&']],
    tests: asked,
    named: 'nobody has named',
  },
  {
    claim: stay,
    without: 'the scope of a token',
    file: authorization,
    edits: [["url.searchParams.set('scope',", "url.searchParams.append('scope',"]],
    tests: asked,
    named: 'for reading one repository',
  },
  {
    claim: stay,
    without: 'the form of a token that is given',
    file: authorization,
    edits: [['tokenPattern.test(token)', 'token.length > 0']],
    tests: asked,
    named: 'token that is none',
  },
  {
    claim: stay,
    without: 'the silence about a type that may be anything',
    file: manifest,
    edits: [['shownTypes.has(mediaType)', "mediaType !== ''"]],
    tests: parsed,
    named: 'is in no error',
  },
  {
    claim: stay,
    without: 'the look at where a registry sends us',
    file: registry,
    edits: [['isSafe(url) && blobHosts.includes(url.host)', 'isSafe(url)']],
    tests: asked,
    named: 'elsewhere is fetched',
  },
  {
    claim: stay,
    without: 'the silence about who we are, elsewhere',
    file: registry,
    edits: [['url, tls: anchorsOf(manner.tls) })', 'url, headers: ownHeaders(talk, wanted) })']],
    tests: asked,
    named: 'elsewhere is fetched',
  },
  {
    claim: stay,
    without: 'the key that stays with the registry',
    file: registry,
    edits: [['url, tls: anchorsOf(manner.tls) })', 'url })']],
    tests: asked,
    named: 'key of ours',
  },
  {
    claim: stay,
    without: 'the look whose entry of a file of users it is',
    file: 'src/policy/oci/docker-config.ts',
    edits: [['hostOf(name) === namedHost(host)', "hostOf(name) !== ''"]],
    tests: ['test/policy/oci/docker-config.test.ts'],
    named: 'another host',
  },
]
