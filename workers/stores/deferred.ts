import type { Notice, Store } from '../../src/store.js'

/** A store that is opened by its first operation, and again by the next one where that failed. */
export function deferredStore(open: () => Promise<Store>): Store {
  let opening: Promise<Store> | undefined
  let opened: Store | undefined
  const watches = new Set<{ readonly onNotice: (notice: Notice | undefined) => void; cancel?: () => void }>()
  const store = (): Promise<Store> => {
    opening ??= open()
      .then(async (one) => {
        try {
          for (const watch of watches) watch.cancel = one.watch(watch.onNotice)
        } catch (error) {
          // The next operation opens another one.
          await one.close()
          throw error
        }
        opened = one
        return one
      })
      .catch((error: unknown) => {
        opening = undefined
        throw error
      })
    return opening
  }
  return {
    get pollEvery() {
      return opened?.pollEvery ?? 30_000
    },
    load: async (...args) => (await store()).load(...args),
    acquire: async (...args) => (await store()).acquire(...args),
    spend: async (...args) => (await store()).spend(...args),
    publish: async (...args) => (await store()).publish(...args),
    markSuspect: async (...args) => (await store()).markSuspect(...args),
    release: async (...args) => (await store()).release(...args),
    watch: (onNotice) => {
      const watch: { readonly onNotice: typeof onNotice; cancel?: () => void } = { onNotice }
      watches.add(watch)
      if (opened) watch.cancel = opened.watch(onNotice)
      return () => {
        watches.delete(watch)
        watch.cancel?.()
      }
    },
    close: async () => {
      if (opening) await (await opening.catch(() => undefined))?.close()
    },
  }
}
