import { execFile } from 'node:child_process';

/** Answers at once, unless the machine is starved. */
const VERSION_TIMEOUT_MS = 20_000;

/** What a version of Prometheus can do that others cannot. */
export interface Features {
  /** Undefined when it is not known. */
  readonly version: string | undefined;
  /** `scrape_config.fallback_scrape_protocol`, since 3.0: before, an answer without a content type was read as text anyway. */
  readonly fallbackProtocol: boolean;
  /**
   * `storage.tsdb.retention` in the configuration file, so that a reload changes it. It came before 3.11, but kept data a million times
   * longer than it said (prometheus#18200).
   */
  readonly retentionInFile: boolean;
  /** `scrape_config.keep_dropped_targets`, since 2.47: what relabelling drops need not be remembered. */
  readonly keepDropped: boolean;
  /**
   * `storage.tsdb.out_of_order_time_window`. It came with 2.39, but before 3.14 a merged out-of-order block can move the point where WAL
   * replay begins, so that a restart loses samples (prometheus#18379).
   */
  readonly outOfOrder: boolean;
  /** `http_headers` with values from files, since 2.55: before, a header's value is in the configuration, which everybody sees. */
  readonly headersInFiles: boolean;
  /** `proxy_from_environment`, since 2.43. */
  readonly proxyFromEnvironment: boolean;
  /** `--scrape.discovery-reload-interval`: the flag is older, but values below its default of 5 s count since 2.55. */
  readonly quickDiscovery: boolean;
  /**
   * A change of targets that comes alone is applied at once, since 3.12. One that follows another update within seconds waits longer and
   * longer, and each read of the target file is an update, also of an unchanged one.
   */
  readonly promptUpdates: boolean;
  /** GOMAXPROCS follows the CPU limit by `--enable-feature=auto-gomaxprocs`. Since 3.0 it does so by default, and the feature is unknown. */
  readonly gomaxprocsFeature: boolean;
}

/** Of a version that is not known, only what all can do. */
export function featuresOf(version: string | undefined): Features {
  const [, major, minor] = /^v?(\d+)\.(\d+)\./.exec(version ?? '') ?? [];
  const atLeast = (least: number, leastMinor: number): boolean =>
    Number(major) > least || (Number(major) === least && Number(minor) >= leastMinor);
  return {
    version,
    fallbackProtocol: atLeast(3, 0),
    retentionInFile: atLeast(3, 11),
    keepDropped: atLeast(2, 47),
    outOfOrder: atLeast(3, 14),
    headersInFiles: atLeast(2, 55),
    proxyFromEnvironment: atLeast(2, 43),
    quickDiscovery: atLeast(2, 55),
    promptUpdates: atLeast(3, 12),
    gomaxprocsFeature: atLeast(2, 42) && !atLeast(3, 0),
  };
}

/** Debian's build locks its data folder only when it is told to; others do so by default, and do not know this flag. */
const LOCK_FLAG = '--storage.tsdb.use-lockfile';

/** The flags with which a program locks its data folder, by what its `--help` says. */
export function lockFlagsOf(help: string): readonly string[] {
  return help.includes(LOCK_FLAG) ? [LOCK_FLAG] : [];
}

/** What a Prometheus' program says to `--help`. @throws when it cannot be run. */
export async function askHelp(
  command: string,
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  execFile(command, ['--help'], { timeout: VERSION_TIMEOUT_MS, env: environment, signal }, (error, stdout, stderr) => {
    if (error === null) resolve(`${stdout}\n${stderr}`);
    else reject(new Error(`${command} --help does not answer`, { cause: error }));
  });
  return promise;
}

/** The version of a Prometheus' program, such as `2.42.0+ds`. @throws when it cannot be run or says something else. */
export async function askVersion(
  command: string,
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  execFile(
    command,
    ['--version'],
    { timeout: VERSION_TIMEOUT_MS, env: environment, signal },
    (error, stdout, stderr) => {
      const version = /version (\d+\.\d+\.\S+)/.exec(`${stdout}\n${stderr}`)?.[1];
      if (version !== undefined) resolve(version);
      else reject(new Error(`${command} --version does not say its version`, { cause: error ?? undefined }));
    },
  );
  return promise;
}
