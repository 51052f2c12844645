// A field for SQL: coloured, completed, and undone step by step, by CodeMirror.

import { make } from "./dom.js";
import {
  autocompletion,
  bracketMatching,
  closeBrackets,
  completionKeymap,
  defaultKeymap,
  EditorState,
  EditorView,
  HighlightStyle,
  history,
  historyKeymap,
  keymap,
  lineNumbers,
  MariaSQL,
  Prec,
  sql,
  syntaxHighlighting,
  tags,
} from "./vendor/codemirror.js";

const COLOURS = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--violet)", fontWeight: "600" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--good)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--amber)" },
  { tag: tags.comment, color: "var(--quiet)" },
]);

const LOOK = EditorView.theme({
  "&": {
    border: "1px solid var(--edge)",
    borderRadius: "var(--round)",
    background: "var(--paper)",
    color: "var(--ink)",
  },
  "&.cm-focused": { outline: "2px solid var(--accent)", borderColor: "transparent" },
  ".cm-scroller": { font: "0.84rem/1.6 var(--mono)", minHeight: "5rem", maxHeight: "22rem" },
  ".cm-content": { padding: "0.6rem 0", caretColor: "var(--ink)" },
  ".cm-gutters": { border: "0", background: "none", color: "var(--quiet)" },
  ".cm-tooltip": {
    border: "1px solid var(--line)",
    borderRadius: "0.5rem",
    background: "var(--card)",
    color: "var(--ink)",
  },
  ".cm-tooltip-autocomplete ul li[aria-selected]": {
    background: "var(--accent)",
    color: "var(--accent-ink)",
  },
  "&.cm-focused .cm-matchingBracket": { background: "var(--accent-soft)" },
});

// `tables` are those of the server, whose names are completed; `changed` and `run` are called when
// the text has become another one, and when it is to be run by Ctrl and Enter.
export class SqlField {
  constructor({ value, label, tables, changed, run }) {
    this.element = make("div", { class: "sql-field" });
    // The sheet of a shadow root is none of the elements that the page's policy refuses.
    const root = this.element.attachShadow({ mode: "open" });
    const runs = { key: "Mod-Enter", run: () => (run(), true) };
    const schema = Object.fromEntries(
      tables.map(({ name, columns }) => [name, columns.map((column) => column.name)]),
    );
    this.view = new EditorView({
      parent: root,
      root,
      doc: value,
      extensions: [
        Prec.highest(keymap.of([runs])),
        keymap.of([...completionKeymap, ...defaultKeymap, ...historyKeymap]),
        history(),
        autocompletion({ icons: false }),
        bracketMatching(),
        closeBrackets(),
        lineNumbers(),
        sql({ dialect: MariaSQL, schema, upperCaseKeywords: true }),
        syntaxHighlighting(COLOURS),
        LOOK,
        EditorState.tabSize.of(2),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": label, autocapitalize: "off" }),
        EditorView.updateListener.of((update) => update.docChanged && changed()),
      ],
    });
  }

  get value() {
    return this.view.state.doc.toString();
  }

  set value(text) {
    const { length } = this.view.state.doc;
    this.view.dispatch({ changes: { from: 0, to: length, insert: text } });
  }

  insert(text) {
    this.view.dispatch(this.view.state.replaceSelection(text));
    this.focus();
  }

  focus() {
    this.view.focus();
  }
}
