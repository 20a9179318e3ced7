package checkouttest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// A language is one that the pages speak.
type language int

const (
	english language = iota
	german
	french
	spanish
)

// languageTags are the tags of the languages, as HTML and HTTP have them.
var languageTags = []string{"en", "de", "fr", "es"}

// Tag returns the language's tag.
func (l language) Tag() string { return languageTags[l] }

// languageOf returns the language of a tag such as "de" or "fr-CA". It returns English for a language that the pages do not speak.
func languageOf(tag string) language {
	base, _, _ := strings.Cut(strings.ToLower(tag), "-")
	return language(max(0, slices.Index(languageTags, base)))
}

// pageLanguage returns the language of a page: that of a locale, or else the first that the browser asks for and the pages speak.
func pageLanguage(locale string, r *http.Request) language {
	if locale != "" && locale != "auto" {
		return languageOf(locale)
	}
	best, weight := english, 0.0
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, parameter, _ := strings.Cut(strings.TrimSpace(part), ";")
		q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(parameter), "q="), 64)
		if err != nil {
			q = 1
		}
		base, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if q > weight && slices.Contains(languageTags, base) {
			best, weight = languageOf(base), q
		}
	}
	return best
}

// Say returns a text of the pages in the language, with its arguments filled in. The English text is its key. Texts without a
// translation, such as those of a shop, stay as they are.
func (l language) Say(text string, args ...any) string {
	if l != english {
		if translated, known := translations[text]; known {
			text = translated[l-1]
		}
	}
	if len(args) > 0 {
		return fmt.Sprintf(text, args...)
	}
	return text
}

// Money writes an amount of minor units as the language does.
func (l language) Money(amount int64, currency string) string {
	text := money(amount, currency)
	if l == english {
		return text
	}
	number := strings.TrimLeftFunc(strings.TrimSuffix(text, " "+strings.ToUpper(currency)), func(r rune) bool { return !unicode.IsDigit(r) })
	unit := symbols[currency]
	if unit == "" {
		unit = strings.ToUpper(currency)
	}
	thousands := "."
	if l == french {
		thousands = "\u202f" // a narrow space that breaks no line
	}
	return strings.NewReplacer(",", thousands, ".", ",").Replace(number) + "\u00a0" + unit
}

// every says how often a price recurs.
func (l language) every(recurring object) string {
	if n, _ := recurring["interval_count"].(int64); n > 1 {
		return l.Say("every %d "+recurring.str("interval")+"s", n)
	}
	return l.Say("every " + recurring.str("interval"))
}

// date writes a date. Languages other than English have it in digits.
func (l language) date(t time.Time) string {
	layouts := map[language]string{english: "2 January 2006", german: "02.01.2006", french: "02/01/2006", spanish: "02/01/2006"}
	return t.UTC().Format(layouts[l])
}

// A head is what every page begins with.
type head struct {
	language
	Title string
}

// Head returns the head of a page with a title.
func (l language) Head(title string) head { return head{l, l.Say(title)} }

// translations are the texts of the pages in German, French and Spanish.
var translations = map[string][3]string{
	"Test page, not Stripe.": {"Testseite, nicht Stripe.", "Page de test, pas Stripe.", "Página de prueba, no es Stripe."},
	"No money moves here, and real cards are refused.": {
		"Hier fließt kein Geld, und echte Karten werden abgelehnt.", "Aucun argent ne circule ici, et les vraies cartes sont refusées.", "Aquí no se mueve dinero, y las tarjetas reales se rechazan."},
	"%s – test checkout": {"%s – Testkasse", "%s – paiement de test", "%s – pago de prueba"},
	"Checkout":           {"Kasse", "Paiement", "Pago"},

	// The order.
	"Your order":                       {"Ihre Bestellung", "Votre commande", "Su pedido"},
	"Payment details for later":        {"Zahlungsdaten für später", "Moyen de paiement pour plus tard", "Datos de pago para más tarde"},
	"Nothing is charged now.":          {"Jetzt wird nichts abgebucht.", "Rien n’est débité maintenant.", "Ahora no se cobra nada."},
	"Discount":                         {"Rabatt", "Remise", "Descuento"},
	"Shipping":                         {"Versand", "Livraison", "Envío"},
	"Tax":                              {"Steuer", "Taxe", "Impuesto"},
	"including %s tax":                 {"darin %s Steuer", "dont %s de taxe", "incluye %s de impuesto"},
	"You pay %s":                       {"Sie zahlen %s", "Vous payez %s", "Usted paga %s"},
	"Total":                            {"Summe", "Total", "Total"},
	"Quantity":                         {"Menge", "Quantité", "Cantidad"},
	"Quantity %d":                      {"Menge %d", "Quantité %d", "Cantidad %d"},
	"Quantity of %s":                   {"Menge von %s", "Quantité de %s", "Cantidad de %s"},
	"every day":                        {"jeden Tag", "chaque jour", "cada día"},
	"every week":                       {"jede Woche", "chaque semaine", "cada semana"},
	"every month":                      {"jeden Monat", "chaque mois", "cada mes"},
	"every year":                       {"jedes Jahr", "chaque année", "cada año"},
	"every %d days":                    {"alle %d Tage", "tous les %d jours", "cada %d días"},
	"every %d weeks":                   {"alle %d Wochen", "toutes les %d semaines", "cada %d semanas"},
	"every %d months":                  {"alle %d Monate", "tous les %d mois", "cada %d meses"},
	"every %d years":                   {"alle %d Jahre", "tous les %d ans", "cada %d años"},
	"Update":                           {"Aktualisieren", "Mettre à jour", "Actualizar"},
	"Also offered":                     {"Auch im Angebot", "Également proposé", "También disponible"},
	"Add %s":                           {"%s hinzufügen", "Ajouter %s", "Añadir %s"},
	"Promotion code":                   {"Aktionscode", "Code promotionnel", "Código promocional"},
	"Apply":                            {"Einlösen", "Appliquer", "Aplicar"},
	"Remove":                           {"Entfernen", "Retirer", "Quitar"},
	"Remove the promotion code %s":     {"Entfernen: Aktionscode %s", "Retirer le code promotionnel %s", "Quitar el código promocional %s"},
	"This code is invalid.":            {"Dieser Code ist ungültig.", "Ce code n’est pas valide.", "Este código no es válido."},
	"Can be paid until %s.":            {"Zahlbar bis %s.", "Payable jusqu’au %s.", "Se puede pagar hasta el %s."},
	"Cancel and return to the shop":    {"Abbrechen und zum Shop zurückkehren", "Annuler et retourner à la boutique", "Cancelar y volver a la tienda"},
	"Choose a quantity from %d to %d.": {"Wählen Sie eine Menge von %d bis %d.", "Choisissez une quantité de %d à %d.", "Elija una cantidad de %d a %d."},

	// The form.
	"Contact information":              {"Kontaktdaten", "Coordonnées", "Datos de contacto"},
	"Email":                            {"E-Mail", "E-mail", "Correo electrónico"},
	"Phone number":                     {"Telefonnummer", "Numéro de téléphone", "Número de teléfono"},
	"Shipping address":                 {"Lieferadresse", "Adresse de livraison", "Dirección de envío"},
	"Billing address":                  {"Rechnungsadresse", "Adresse de facturation", "Dirección de facturación"},
	"Full name":                        {"Vollständiger Name", "Nom complet", "Nombre completo"},
	"Address":                          {"Adresse", "Adresse", "Dirección"},
	"Address line 2 (optional)":        {"Adresszusatz (optional)", "Complément d’adresse (facultatif)", "Dirección, línea 2 (opcional)"},
	"Postal code":                      {"Postleitzahl", "Code postal", "Código postal"},
	"City":                             {"Ort", "Ville", "Ciudad"},
	"State (optional)":                 {"Bundesland (optional)", "Région (facultatif)", "Provincia (opcional)"},
	"Country or region":                {"Land oder Region", "Pays ou région", "País o región"},
	"Payment method":                   {"Zahlungsmethode", "Moyen de paiement", "Método de pago"},
	"Card":                             {"Karte", "Carte", "Tarjeta"},
	"Card number":                      {"Kartennummer", "Numéro de carte", "Número de tarjeta"},
	"Expiration":                       {"Ablaufdatum", "Date d’expiration", "Vencimiento"},
	"MM / YY":                          {"MM / JJ", "MM / AA", "MM / AA"},
	"CVC":                              {"Prüfziffer (CVC)", "Code de sécurité (CVC)", "Código de seguridad (CVC)"},
	"Cardholder name":                  {"Name auf der Karte", "Nom du titulaire de la carte", "Nombre del titular"},
	"Full name on card":                {"Vollständiger Name auf der Karte", "Nom complet figurant sur la carte", "Nombre completo en la tarjeta"},
	"Account holder name":              {"Name des Kontoinhabers", "Nom du titulaire du compte", "Nombre del titular de la cuenta"},
	"Bank debit":                       {"Lastschrift", "Prélèvement bancaire", "Débito bancario"},
	"takes days to settle":             {"dauert einige Tage", "prend quelques jours", "tarda unos días"},
	"Billing info is same as shipping": {"Rechnungsadresse wie Lieferadresse", "L’adresse de facturation est celle de livraison", "Los datos de facturación son los de envío"},
	"More details":                     {"Weitere Angaben", "Autres informations", "Más datos"},
	"%s (optional)":                    {"%s (optional)", "%s (facultatif)", "%s (opcional)"},
	"Choose":                           {"Auswählen", "Choisir", "Elegir"},
	"I’m purchasing as a business":     {"Ich kaufe als Unternehmen", "J’achète en tant qu’entreprise", "Compro como empresa"},
	"Business name":                    {"Name des Unternehmens", "Nom de l’entreprise", "Nombre de la empresa"},
	"Tax ID":                           {"Steuernummer (USt-IdNr.)", "Numéro fiscal (TVA)", "Número fiscal (NIF)"},
	"I agree to the terms of service and the privacy policy of %s": {"Ich akzeptiere die Nutzungsbedingungen und die Datenschutzerklärung von %s",
		"J’accepte les conditions d’utilisation et la politique de confidentialité de %s", "Acepto las condiciones de servicio y la política de privacidad de %s"},
	"Send me news and offers of %s": {"Senden Sie mir Neuigkeiten und Angebote von %s", "Envoyez-moi les actualités et les offres de %s", "Envíenme noticias y ofertas de %s"},
	"Pay %s":                        {"%s bezahlen", "Payer %s", "Pagar %s"},
	"Subscribe for %s":              {"Für %s abonnieren", "S’abonner pour %s", "Suscribirse por %s"},
	"Book for %s":                   {"Für %s buchen", "Réserver pour %s", "Reservar por %s"},
	"Donate %s":                     {"%s spenden", "Donner %s", "Donar %s"},
	"Save payment method":           {"Zahlungsmethode speichern", "Enregistrer le moyen de paiement", "Guardar el método de pago"},
	"Complete order":                {"Bestellung abschließen", "Finaliser la commande", "Completar el pedido"},
	"Fill in everything, with a card that …": {"Alles ausfüllen, mit einer Karte, die …", "Tout remplir, avec une carte qui …", "Rellenar todo, con una tarjeta que …"},
	"Fill in the card that %s":               {"Karte einsetzen, die %s", "Remplir avec la carte qui %s", "Rellenar con la tarjeta que %s"},
	"Fill in everything":                     {"Alles ausfüllen", "Tout remplir", "Rellenar todo"},
	"is paid":                                {"bezahlt wird", "est acceptée", "se acepta"},
	"is declined":                            {"abgelehnt wird", "est refusée", "se rechaza"},
	"lacks funds":                            {"nicht gedeckt ist", "manque de fonds", "no tiene fondos"},
	"has expired":                            {"abgelaufen ist", "est expirée", "está vencida"},
	"asks to authenticate":                   {"eine Bestätigung verlangt", "demande une authentification", "pide autenticación"},
	"asks each time":                         {"jedes Mal eine verlangt", "la demande chaque fois", "la pide cada vez"},
	"This session can’t be paid: it offers %s, and this test page knows only cards, bank debits and bank transfers.": {
		"Diese Bestellung lässt sich nicht bezahlen: Sie bietet %s an, und diese Testseite kennt nur Karten, Lastschriften und Überweisungen.",
		"Cette commande ne peut pas être payée : elle propose %s, et cette page de test ne connaît que les cartes, les prélèvements et les virements.",
		"Este pedido no se puede pagar: ofrece %s, y esta página de prueba solo conoce tarjetas, débitos bancarios y transferencias."},
	"Bank transfer":                     {"Überweisung", "Virement bancaire", "Transferencia bancaria"},
	"you send the money from your bank": {"Sie senden das Geld von Ihrer Bank", "vous envoyez l’argent depuis votre banque", "usted envía el dinero desde su banco"},
	"How to send the money":             {"So senden Sie das Geld", "Comment envoyer l’argent", "Cómo enviar el dinero"},
	"Transfer %s":                       {"%s überweisen", "Virer %s", "Transferir %s"},
	"Send this amount from your bank, with the reference. The order is paid when the money has arrived.": {
		"Senden Sie diesen Betrag von Ihrer Bank, mit der Referenz. Die Bestellung ist bezahlt, wenn das Geld angekommen ist.",
		"Envoyez ce montant depuis votre banque, avec la référence. La commande est payée quand l’argent est arrivé.",
		"Envíe este importe desde su banco, con la referencia. El pedido está pagado cuando el dinero ha llegado."},
	"Reference":      {"Referenz", "Référence", "Referencia"},
	"Bank":           {"Bank", "Banque", "Banco"},
	"Routing number": {"Bankleitzahl", "Numéro de routage", "Número de ruta"},
	"Sort code":      {"Bankleitzahl", "Code guichet", "Código de sucursal"},
	"Bank code":      {"Bankleitzahl", "Code de la banque", "Código del banco"},
	"Branch code":    {"Filialnummer", "Code de l’agence", "Código de la sucursal"},
	"Account number": {"Kontonummer", "Numéro de compte", "Número de cuenta"},

	// What is wrong with the form.
	"Please look at the fields marked below.":          {"Bitte prüfen Sie die markierten Felder.", "Vérifiez les champs signalés ci-dessous.", "Revise los campos marcados."},
	"Enter an email address, such as you@example.com.": {"Geben Sie eine E-Mail-Adresse ein, etwa name@example.com.", "Saisissez une adresse e-mail, comme nom@example.com.", "Escriba un correo electrónico, como nombre@example.com."},
	"Enter a phone number.":                            {"Geben Sie eine Telefonnummer ein.", "Saisissez un numéro de téléphone.", "Escriba un número de teléfono."},
	"This field is needed for the delivery.":           {"Dieses Feld wird für die Lieferung gebraucht.", "Ce champ est nécessaire à la livraison.", "Este campo es necesario para el envío."},
	"This field is required.":                          {"Dieses Feld ist erforderlich.", "Ce champ est obligatoire.", "Este campo es obligatorio."},
	"Choose a country.":                                {"Wählen Sie ein Land.", "Choisissez un pays.", "Elija un país."},
	"Choose one of the options.":                       {"Wählen Sie eine der Möglichkeiten.", "Choisissez l’une des options.", "Elija una de las opciones."},
	"Enter digits only.":                               {"Geben Sie nur Ziffern ein.", "Saisissez uniquement des chiffres.", "Escriba solo cifras."},
	"Enter at least %d characters.":                    {"Geben Sie mindestens %d Zeichen ein.", "Saisissez au moins %d caractères.", "Escriba al menos %d caracteres."},
	"Enter at most %d characters.":                     {"Geben Sie höchstens %d Zeichen ein.", "Saisissez au plus %d caractères.", "Escriba como máximo %d caracteres."},
	"Enter a card number.":                             {"Geben Sie eine Kartennummer ein.", "Saisissez un numéro de carte.", "Escriba un número de tarjeta."},
	"Your card number is invalid.":                     {"Ihre Kartennummer ist ungültig.", "Votre numéro de carte n’est pas valide.", "El número de su tarjeta no es válido."},
	"This is not one of the test cards. Real cards are refused here.": {"Das ist keine der Testkarten. Echte Karten werden hier abgelehnt.",
		"Ce n’est pas une des cartes de test. Les vraies cartes sont refusées ici.", "No es una de las tarjetas de prueba. Aquí se rechazan las tarjetas reales."},
	"Enter month and year, such as 12 / 34.": {"Geben Sie Monat und Jahr ein, etwa 12 / 34.", "Saisissez le mois et l’année, comme 12 / 34.", "Escriba el mes y el año, como 12 / 34."},
	"This date is in the past.":              {"Dieses Datum ist vorbei.", "Cette date est passée.", "Esta fecha ya pasó."},
	"Enter three digits.":                    {"Geben Sie drei Ziffern ein.", "Saisissez trois chiffres.", "Escriba tres cifras."},
	"Enter four digits.":                     {"Geben Sie vier Ziffern ein.", "Saisissez quatre chiffres.", "Escriba cuatro cifras."},
	"Accept the terms to go on.":             {"Akzeptieren Sie die Bedingungen, um fortzufahren.", "Acceptez les conditions pour continuer.", "Acepte las condiciones para continuar."},

	// What became of a payment.
	"You have not been charged.":               {"Es wurde nichts abgebucht.", "Vous n’avez pas été débité.", "No se le ha cobrado."},
	"Try again or use another payment method.": {"Versuchen Sie es noch einmal, oder nehmen Sie eine andere Zahlungsmethode.", "Réessayez ou utilisez un autre moyen de paiement.", "Inténtelo de nuevo o use otro método de pago."},
	"The tax of your country changes the total. Please look at it, and pay again.": {"Die Steuer Ihres Landes ändert die Summe. Bitte prüfen Sie sie, und bezahlen Sie noch einmal.",
		"La taxe de votre pays change le total. Vérifiez-le, puis payez de nouveau.", "El impuesto de su país cambia el total. Revíselo y pague de nuevo."},
	"This session does not offer that payment method.": {"Diese Zahlungsmethode wird hier nicht angeboten.", "Ce moyen de paiement n’est pas proposé ici.", "Este método de pago no se ofrece aquí."},
	"Your card was declined.":                          {"Ihre Karte wurde abgelehnt.", "Votre carte a été refusée.", "Su tarjeta ha sido rechazada."},
	"Your card has insufficient funds.":                {"Ihre Karte ist nicht ausreichend gedeckt.", "Votre carte ne dispose pas de fonds suffisants.", "Su tarjeta no tiene fondos suficientes."},
	"Your card has expired.":                           {"Ihre Karte ist abgelaufen.", "Votre carte a expiré.", "Su tarjeta ha vencido."},
	"Your card's security code is incorrect.":          {"Die Prüfziffer Ihrer Karte ist falsch.", "Le code de sécurité de votre carte est incorrect.", "El código de seguridad de su tarjeta es incorrecto."},
	"An error occurred while processing your card. Try again in a little bit.": {"Bei der Verarbeitung Ihrer Karte ist ein Fehler aufgetreten. Versuchen Sie es gleich noch einmal.",
		"Une erreur s’est produite lors du traitement de votre carte. Réessayez dans un instant.", "Se ha producido un error al procesar su tarjeta. Inténtelo de nuevo en un momento."},
	"Your card was declined for making repeated attempts too frequently or exceeding its amount limit.": {"Ihre Karte wurde abgelehnt, weil sie zu oft verwendet wurde oder ihr Limit überschritten ist.",
		"Votre carte a été refusée : trop de tentatives répétées, ou dépassement de son plafond.", "Su tarjeta ha sido rechazada por intentos repetidos o por superar su límite."},
	"We are unable to authenticate your payment method. Please choose a different payment method and try again.": {
		"Ihre Zahlungsmethode konnte nicht bestätigt werden. Bitte wählen Sie eine andere, und versuchen Sie es noch einmal.",
		"Nous ne pouvons pas authentifier votre moyen de paiement. Choisissez-en un autre et réessayez.",
		"No podemos autenticar su método de pago. Elija otro e inténtelo de nuevo."},

	// The other pages.
	"Authenticate":    {"Bestätigen", "Authentification", "Autenticación"},
	"3-D Secure test": {"3-D-Secure-Test", "Test 3-D Secure", "Prueba de 3-D Secure"},
	"A bank would now ask the customer to confirm the payment. Choose what they do.": {"Eine Bank würde den Kunden nun bitten, die Zahlung zu bestätigen. Wählen Sie, was er tut.",
		"Une banque demanderait maintenant au client de confirmer le paiement. Choisissez ce qu’il fait.", "Un banco pediría ahora al cliente que confirme el pago. Elija lo que hace."},
	"A bank would now ask the customer to confirm the payment of %s. Choose what they do.": {"Eine Bank würde den Kunden nun bitten, die Zahlung von %s zu bestätigen. Wählen Sie, was er tut.",
		"Une banque demanderait maintenant au client de confirmer le paiement de %s. Choisissez ce qu’il fait.", "Un banco pediría ahora al cliente que confirme el pago de %s. Elija lo que hace."},
	"Complete authentication": {"Bestätigung erteilen", "Terminer l’authentification", "Completar la autenticación"},
	"Fail authentication":     {"Bestätigung verweigern", "Refuser l’authentification", "Rechazar la autenticación"},
	"Done":                    {"Fertig", "Terminé", "Hecho"},
	"This order is complete":  {"Diese Bestellung ist abgeschlossen", "Cette commande est terminée", "Este pedido está completo"},
	"This order is complete, its payment is on the way": {"Diese Bestellung ist abgeschlossen, ihre Zahlung ist unterwegs",
		"Cette commande est terminée, son paiement est en cours", "Este pedido está completo, su pago está en camino"},
	"It was checked out before, and can't be paid a second time.": {"Sie wurde schon bezahlt und kann nicht noch einmal bezahlt werden.",
		"Elle a déjà été réglée, et ne peut pas l’être une seconde fois.", "Ya se ha tramitado, y no se puede pagar por segunda vez."},
	"Return to the shop":        {"Zurück zum Shop", "Retourner à la boutique", "Volver a la tienda"},
	"Expired":                   {"Abgelaufen", "Expiré", "Vencido"},
	"This checkout has expired": {"Diese Kasse ist abgelaufen", "Ce paiement a expiré", "Este pago ha vencido"},
	"It can no longer be paid, and nothing has been charged. Start again from the shop.": {"Sie kann nicht mehr bezahlt werden, und es wurde nichts abgebucht. Beginnen Sie im Shop von vorn.",
		"Il ne peut plus être réglé, et rien n’a été débité. Recommencez depuis la boutique.", "Ya no se puede pagar, y no se ha cobrado nada. Empiece de nuevo en la tienda."},
	"Not found":             {"Nicht gefunden", "Introuvable", "No encontrado"},
	"There is no such page": {"Diese Seite gibt es nicht", "Cette page n’existe pas", "Esta página no existe"},
	"The address is wrong, or this test server was started anew since it was made. Start again from the shop.": {
		"Die Adresse ist falsch, oder dieser Testserver wurde seither neu gestartet. Beginnen Sie im Shop von vorn.",
		"L’adresse est fausse, ou ce serveur de test a redémarré depuis. Recommencez depuis la boutique.",
		"La dirección es incorrecta, o este servidor de prueba se reinició después. Empiece de nuevo en la tienda."},

	"This link is no longer active": {"Dieser Link ist nicht mehr gültig", "Ce lien n’est plus actif", "Este enlace ya no está activo"},

	// The receipt.
	"Receipt":           {"Beleg", "Reçu", "Recibo"},
	"Receipt from %s":   {"Beleg von %s", "Reçu de %s", "Recibo de %s"},
	"Amount paid":       {"Bezahlter Betrag", "Montant payé", "Importe pagado"},
	"Amount authorized": {"Vorgemerkter Betrag", "Montant autorisé", "Importe autorizado"},
	"Not charged yet.":  {"Noch nicht abgebucht.", "Pas encore débité.", "Aún no cobrado."},
	"Released, nothing was charged.": {"Freigegeben, es wurde nichts abgebucht.", "Libéré, rien n’a été débité.",
		"Liberado, no se ha cobrado nada."},
	"Date":                   {"Datum", "Date", "Fecha"},
	"Currency":               {"Währung", "Devise", "Moneda"},
	"Refunded on %s":         {"Erstattet am %s", "Remboursé le %s", "Reembolsado el %s"},
	"This refund is pending": {"Diese Erstattung steht noch aus", "Ce remboursement est en attente", "Este reembolso está pendiente"},
	"Paid after refunds":     {"Bezahlt nach Erstattungen", "Payé après remboursements", "Pagado tras reembolsos"},

	// The billing portal.
	"Subscriptions":          {"Abonnements", "Abonnements", "Suscripciones"},
	"Your subscriptions":     {"Ihre Abonnements", "Vos abonnements", "Sus suscripciones"},
	"There are none.":        {"Es gibt keine.", "Il n’y en a pas.", "No hay ninguna."},
	"Ends on %s.":            {"Endet am %s.", "Se termine le %s.", "Termina el %s."},
	"Renews on %s.":          {"Verlängert sich am %s.", "Se renouvelle le %s.", "Se renueva el %s."},
	"Paid with the card %s.": {"Bezahlt mit der Karte %s.", "Payé avec la carte %s.", "Se paga con la tarjeta %s."},
	"Keep subscription":      {"Abonnement behalten", "Garder l’abonnement", "Mantener la suscripción"},
	"Cancel subscription":    {"Abonnement kündigen", "Résilier l’abonnement", "Cancelar la suscripción"},
	"Test card":              {"Testkarte", "Carte de test", "Tarjeta de prueba"},
	"Use this card":          {"Diese Karte verwenden", "Utiliser cette carte", "Usar esta tarjeta"},
	"active":                 {"aktiv", "actif", "activa"},
	"trialing":               {"im Probezeitraum", "à l’essai", "en prueba"},
	"past due":               {"überfällig", "en retard", "vencida"},
	"unpaid":                 {"unbezahlt", "impayé", "impagada"},
	"paused":                 {"pausiert", "en pause", "en pausa"},
	"incomplete":             {"unvollständig", "incomplet", "incompleta"},
	"incomplete expired":     {"verfallen", "expiré", "caducada"},
	"canceled":               {"gekündigt", "résilié", "cancelada"},
}
