import type { Log } from '../log.ts'
import {
  openReloadingFiles,
  type Reloading,
  type ReloadingFilesOptions,
} from '../pki/reloading-files.ts'
import type { BundleContent } from '../policy/bundle-content.ts'
import { readBundle, watchedFiles } from '../policy/bundle-place.ts'

/** The archive is watched in its folder; of a folder or a layout its files, and its own place, where it may be a link. */
export function followBundle(
  place: string,
  options: { readonly log: Log } & Pick<
    ReloadingFilesOptions<BundleContent>,
    'onReload' | 'awaited'
  >,
): Promise<Reloading<BundleContent>> {
  let read: BundleContent | undefined
  return openReloadingFiles<BundleContent>({
    ...options,
    files: watchedFiles(place),
    code: 'policy/bundle',
    async read() {
      read = await readBundle(place)
      return [read.digest]
    },
    parse: () => read as BundleContent,
  })
}
