/** Where something listens. */
export interface Listen {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
}

/** As it stands in an address: `127.0.0.1:9091`, `[::1]:9091`. */
export function hostPort({ host, port }: Listen): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
