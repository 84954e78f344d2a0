/** OCI images as one archive each, made without a daemon: the same files give the same octets. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'

export interface ImageFile {
  /** Its path in the image, without a slash before it. */
  readonly path: string
  readonly mode?: number
  /** Where the octets come from: a file of this machine, or the text itself. */
  readonly from?: string
  readonly text?: string
}

export interface Image {
  /** As pods name it; its tag must not be `latest`, which is always pulled. */
  readonly name: string
  readonly files: readonly ImageFile[]
  readonly entrypoint: readonly string[]
  readonly user?: string
}

const blockSize = 512

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, '0')}\0`
}

/** POSIX.1-1988 ustar: no owner and no time, so that only the content counts. */
function header(path: string, kind: '0' | '5', mode: number, size: number): Buffer {
  if (Buffer.byteLength(path) > 100) throw new Error(`want=at most 100 octets got=${path}`)
  const block = Buffer.alloc(blockSize)
  const fields: readonly (readonly [number, string])[] = [
    [0, path],
    [100, octal(mode, 8)],
    [108, octal(0, 8)],
    [116, octal(0, 8)],
    [124, octal(size, 12)],
    [136, octal(0, 12)],
    [148, ' '.repeat(8)],
    [156, kind],
    [257, 'ustar\x0000'],
  ]
  for (const [at, text] of fields) block.write(text, at, 'latin1')
  const sum = block.reduce((total, octet) => total + octet, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

interface Entry {
  readonly path: string
  readonly mode: number
  readonly content: Buffer
}

/** With every folder that its files stand in. */
function tar(entries: readonly Entry[]): Buffer {
  const folders = new Set(
    entries.flatMap(({ path }) =>
      path
        .split('/')
        .slice(0, -1)
        .map((_, at, parts) => `${parts.slice(0, at + 1).join('/')}/`),
    ),
  )
  const blocks = [...folders].toSorted().map((path) => header(path, '5', 0o755, 0))
  for (const { path, mode, content } of entries) {
    const padding = Buffer.alloc((blockSize - (content.length % blockSize)) % blockSize)
    blocks.push(header(path, '0', mode, content.length), content, padding)
  }
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockSize)])
}

const digestOf = (content: Buffer): string => createHash('sha256').update(content).digest('hex')
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const mediaType = 'application/vnd.oci.image'
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

function layerOf(image: Image): Buffer {
  return tar(
    image.files.map(({ path, mode = 0o755, from, text = '' }) => ({
      path,
      mode,
      content: from === undefined ? Buffer.from(text) : readFileSync(from),
    })),
  )
}

/** Writes an archive that `ctr images import` reads. */
export async function writeOciArchive(path: string, image: Image): Promise<void> {
  const blobs: Entry[] = []
  const add = (content: Buffer): { digest: string; size: number } => {
    const digest = digestOf(content)
    blobs.push({ path: `blobs/sha256/${digest}`, mode: 0o644, content })
    return { digest: `sha256:${digest}`, size: content.length }
  }
  const layer = add(layerOf(image))
  const config = add(
    json({
      architecture: architectures[process.arch] ?? process.arch,
      os: 'linux',
      config: { Entrypoint: image.entrypoint, ...(image.user ? { User: image.user } : {}) },
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    }),
  )
  const manifest = add(
    json({
      schemaVersion: 2,
      mediaType: `${mediaType}.manifest.v1+json`,
      config: { mediaType: `${mediaType}.config.v1+json`, ...config },
      layers: [{ mediaType: `${mediaType}.layer.v1.tar`, ...layer }],
    }),
  )
  const annotations = {
    'io.containerd.image.name': image.name,
    'org.opencontainers.image.ref.name': image.name.split(':').at(-1),
  }
  const index = {
    schemaVersion: 2,
    manifests: [{ mediaType: `${mediaType}.manifest.v1+json`, ...manifest, annotations }],
  }
  const archive = tar([
    ...blobs,
    { path: 'index.json', mode: 0o644, content: json(index) },
    { path: 'oci-layout', mode: 0o644, content: json({ imageLayoutVersion: '1.0.0' }) },
  ])
  await writeFile(path, archive)
}
