/** An image's name, taken apart. */
export interface ImageName {
  /** '' where it does not say: then Tsuru's configuration does. */
  readonly registry: string;
  readonly repository: string;
  /** A tag, or a digest. */
  readonly reference: string;
}

/** Reads `registry.example.com:5000/team/prometheus:1.2.0`: as Docker does, a first part with a dot or a port is the registry. */
export function readImageName(image: string): ImageName {
  const [first = '', ...rest] = image.split('/');
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  const path = hasRegistry ? rest.join('/') : image;
  const at = path.indexOf('@');
  const colon = path.lastIndexOf(':');
  const end = at >= 0 ? at : colon > path.lastIndexOf('/') ? colon : path.length;
  return {
    registry: hasRegistry ? first : '',
    repository: path.slice(0, end),
    reference: path.slice(end + 1) || 'latest',
  };
}

/** The version of an image: its tag. */
export function versionOf(image: string): string {
  return readImageName(image).reference;
}
