// Elements from names, attributes and children; text is never read as HTML.

const SVG = "http://www.w3.org/2000/svg";
// They show a text in another order than it has: a name that ends in gpj.exe as one of a picture.
const REORDERING = /[\u202a-\u202e\u2066-\u2069]/g;

export function make(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function draw(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, inOrder(name, value));
  }
  const given = children.flat().filter((child) => child != null && child !== false);
  element.append(...given.map((child) => (typeof child === "string" ? shown(child) : child)));
  return element;
}

function inOrder(name, value) {
  return name === "title" || name === "aria-label" ? shown(String(value)) : value;
}

export function shown(text) {
  return text.replace(REORDERING, "");
}

// `html` comes from the server, which has taken out all that could do something.
export function fragment(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

export function button(label, click, attributes = {}) {
  return make("button", { type: "button", click, ...attributes }, label);
}

// A button without words shows an icon, and tells its label to those who do not see it.
export function iconButton(picture, label, click, attributes = {}) {
  const all = { class: "plain icon-button", "aria-label": label, title: label, ...attributes };
  return button(icon(picture), click, all);
}

const PATHS = {
  menu: "M4 7h16M4 12h16M4 17h16",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  files: "M7 3h7l5 5v13H7zM14 3v5h5",
  folder: "M3 6h6l2 2h10v11H3z",
  rising: "M12 19V6m-5 5 5-5 5 5",
  falling: "M12 5v13m-5-5 5 5 5-5",
  send: "M12 19V5m-6 6 6-6 6 6",
  stop: "M7 7h10v10H7z",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  up: "M7 11v9H4v-9zm0 0 4-8c1.500 0 2.500 1 2.500 2.500V9h5a2 2 0 0 1 2 2.300l-1 7A2 2 0 0 1 17.500 20H7",
  down: "M17 13V4h3v9zm0 0-4 8c-1.500 0-2.500-1-2.500-2.500V15h-5a2 2 0 0 1-2-2.300l1-7A2 2 0 0 1 6.500 4H17",
  open: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
  table: "M4 5h16v14H4zM4 10h16M10 5v14",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4",
  chart: "M5 20V10M12 20V4M19 20v-7",
  code: "M8 7l-5 5 5 5M16 7l5 5-5 5",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  download: "M12 4v12m-5-5 5 5 5-5M4 16v4h16v-4",
  upload: "M12 16V4m-5 5 5-5 5 5M4 16v4h16v-4",
  check: "M5 13l4 4L19 7",
  retry: "M4 12a8 8 0 1 0 3-6.200M4 4v5h5",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13",
  filter: "M4 6h16M7 12h10M10 18h4",
  pencil: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  back: "M15 5l-7 7 7 7",
  forth: "M9 5l7 7-7 7",
  end: "M12 5v14m6-6-6 6-6-6",
};

export function icon(name) {
  return draw(
    "svg",
    { class: `icon icon-${name}`, viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    draw("path", { d: PATHS[name] }),
  );
}
