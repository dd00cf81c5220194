// An order by lego's library, called as its command calls it: with dynamic updates, and with lego's own defaults.
//
// The command itself brings some hundred providers; one that cannot be fetched keeps it from being built.
package main

import (
	"context"
	"crypto"
	"flag"
	"log"
	"os"
	"strings"

	"github.com/go-acme/lego/v5/acme"
	"github.com/go-acme/lego/v5/certcrypto"
	"github.com/go-acme/lego/v5/certificate"
	"github.com/go-acme/lego/v5/challenge/dns01"
	"github.com/go-acme/lego/v5/lego"
	"github.com/go-acme/lego/v5/providers/dns/dnsupdate"
	"github.com/go-acme/lego/v5/registration"
)

type user struct {
	key      crypto.Signer
	resource *acme.ExtendedAccount
}

func (u *user) GetEmail() string                       { return "" }
func (u *user) GetRegistration() *acme.ExtendedAccount { return u.resource }
func (u *user) GetPrivateKey() crypto.Signer           { return u.key }

func order(server, domains string, unchecked bool) error {
	ctx := context.Background()
	key, err := certcrypto.GeneratePrivateKey(certcrypto.EC256)
	if err != nil {
		return err
	}
	account := &user{key: key}
	config := lego.NewConfig(account)
	config.CADirURL = server
	client, err := lego.NewClient(config)
	if err != nil {
		return err
	}
	provider, err := dnsupdate.NewDNSProvider()
	if err != nil {
		return err
	}
	dns01.SetDefaultClient(dns01.NewClient(dns01.NewOptions()))
	err = client.Challenge.SetDNS01Provider(provider,
		dns01.CondOptions(unchecked, dns01.DisableAuthoritativeNssPropagationRequirement()))
	if err != nil {
		return err
	}
	account.resource, err = client.Registration.Register(ctx, registration.RegisterOptions{TermsOfServiceAgreed: true})
	if err != nil {
		return err
	}
	request := certificate.ObtainRequest{Domains: strings.Split(domains, ","), KeyType: certcrypto.EC256, Bundle: true}
	_, err = client.Certificate.Obtain(ctx, request)
	return err
}

func main() {
	server := flag.String("server", "", "directory of the CA")
	domains := flag.String("domains", "", "names, with commas between them")
	unchecked := flag.Bool("disable-ans", false, "do not look at authoritative servers")
	flag.Parse()
	if err := order(*server, *domains, *unchecked); err != nil {
		log.Println(err)
		os.Exit(1)
	}
}
