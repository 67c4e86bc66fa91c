/** The calls that the agent makes to Tsuru, as metrics and errors name them. */
export const CALLS = { apps: 'app list', app: 'app info', permissions: 'user info' } as const;

/** `GET /1.0/apps/A` asks the cluster each time, so only few run at once. */
export const DETAILS_AT_A_TIME = 4;

/** The path of one app. A name of dots alone would be another path. */
export function appPath(name: string): string {
  return `/1.0/apps/${encodeURIComponent(name).replace(/^\.+$/, '%2E')}`;
}
