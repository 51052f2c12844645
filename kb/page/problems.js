// What the server tells of a failure, which it tells in English, for those who read French.

import { spoken } from "./words.js";

export const FRENCH_OF_TITLE = {
  "A key is needed": "Il faut une clé.",
  "Files of this kind are not read": "Les fichiers de ce type ne sont pas lus.",
  "Something failed": "Une erreur s'est produite ; le journal du serveur en dit plus.",
  "The database does not answer": "La base de données ne répond pas. Réessayez dans un instant.",
  "The database refused": "La base de données a refusé ; le journal du serveur en dit plus.",
  "The file has no name": "Le fichier n'a pas de nom.",
  "The file is gone": "Le fichier n'est plus là.",
  "The key does not allow this": "Cette clé ne le permet pas.",
  "The model does not answer": "Le modèle de langage ne répond pas. Réessayez dans un instant.",
  "The question could not be answered": "La question n'a pas pu être traitée. Posez-la autrement.",
  "The request is not understood": "La demande n'est pas comprise : {detail}",
  "The server is busy": "Le serveur est occupé. Réessayez dans un instant.",
  "The statement failed": "La requête a échoué : {detail}",
  "The statement is refused": "La requête est refusée : {detail}",
  "The turn is being answered": "Cette question est déjà en cours de traitement.",
  "There are files of these names": "Des fichiers de ces noms sont déjà là.",
  "This filter has no meaning": "Ce filtre n'a pas de sens : {detail}",
  "Too much at once": "Trop de demandes à la fois. Réessayez dans un instant.",
};

const FRENCH_OF_STATUS = {
  404: "Cela n'est pas, ou plus, là.",
  408: "L'envoi a été trop lent ; réessayez.",
  413: "C'est trop volumineux pour ce serveur.",
};

export function told({ title, detail = "", status }) {
  const french = spoken() === "fr" && (FRENCH_OF_TITLE[title] ?? FRENCH_OF_STATUS[status]);
  if (french) return french.replace("{detail}", () => detail);
  return [title, detail].filter(Boolean).join(". ");
}
